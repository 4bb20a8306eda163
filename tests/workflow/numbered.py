"""The project's top-level statements, numbered for the recorder, and what was recorded of them."""

import ast
import marshal
from collections import defaultdict
from pathlib import Path

from recorder.recorder import DIGESTS, NUMBERS, RECORD

LOOSE = "<module>"


def modules(root: Path) -> dict[str, Path]:
    """Return the files below the folder of scripts, by the module's dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).with_suffix("").parts
        found[".".join(name[:-1] if name[-1] == "__init__" else name)] = path
    return found


def statements(path: Path) -> list[tuple[int, str]]:
    """Return first line and name of each top-level definition; all else is `LOOSE`."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        line, name = node.lineno, LOOSE
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            line = min([line, *(decorator.lineno for decorator in node.decorator_list)])
            name = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.AnnAssign):
            name = node.target.id
        found.append((line, name))
    return found


class Numbering:
    """The numbered top-level statements below a folder of scripts."""

    def __init__(self, root: Path):
        self.root = root.resolve()
        self.names: list[tuple[str, str]] = []
        self.files: dict[str, tuple[list[int], int]] = {}
        for module, path in modules(self.root).items():
            found = statements(path)
            self.files[str(path)] = [line for line, _ in found], len(self.names)
            self.names += [(module, name) for _, name in found]

    def write(self, folder: Path) -> None:
        """Write what the recorder needs into the folder of records."""
        content = str(self.root), self.files, len(self.names)
        (folder / NUMBERS).write_bytes(marshal.dumps(content))

    def executed(self, folder: Path) -> dict[str, set[tuple[str, str]]]:
        """Return the (module, definition) pairs that each rule's processes have executed."""
        found = defaultdict(set)
        for path in folder.glob(f"*{RECORD}"):
            marks = path.read_bytes()
            rule = path.name.partition(".")[0]
            found[rule] |= {self.names[number] for number, mark in enumerate(marks) if mark}
        return dict(found)


def digested(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the module and entries that each digest of a recorded run is of."""
    lines = (folder / DIGESTS).read_text(encoding="utf-8").split("\n")
    return {words[0]: tuple(words[1:]) for line in lines if (words := line.split())}
