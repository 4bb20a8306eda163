"""Python imports this at its start where the folder is on PYTHONPATH: recorded runs begin here."""

import recorder

recorder.begin()
