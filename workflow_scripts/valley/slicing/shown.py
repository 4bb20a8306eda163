"""What pages show of declared slices: what each is, counts, lengths, a row before and after."""

from pathlib import Path

from valley.core.declared import in_words
from valley.core.files import read_json


def shown(declared: dict[str, dict], names: list[str], files: list[Path]) -> list[dict]:
    """Return what pages show of slices, in their order.

    Args:
        declared: the study file's slices.
        names: of those that are shown.
        files: what their jobs found, as far as there is something; a mix has none.

    Returns:
        name, label, what (as the study file has it), and told (what its job found, or None).
    """
    summaries = {Path(path).stem: read_json(path) for path in files}
    return [
        {
            "name": name,
            "label": declared[name].get("label", ""),
            "what": in_words(declared[name]),
            "told": summaries.get(name),
        }
        for name in names
    ]
