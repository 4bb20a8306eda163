"""A finished study, as the tests of the workflow have it."""

import sharing

shared, finished = sharing.shared, sharing.finished
