"""The digest of the code that a stage reaches, blind to comments, docstrings and formatting.

Snakemake's own code trigger sees one file and sees its comments. This one follows names from a
stage's entry function through the project's modules, so that an edit re-runs exactly the stages
whose logic it can change.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What is around a job and changes no result of it: its log, its sidecar, the store.
WRAPPER = "valley.workflow"
SKIPPED = {"type_comment", "kind", "ctx", "type_ignores", "type_params", "returns", "annotation"}


def code_digest(module: str, *entries: str, root: Path = ROOT) -> str:
    """Return a short digest of everything that the entries of a module reach.

    Args:
        module: dotted name below `root`, such as "train" or "valley.lm.sampler".
        entries: names of top-level definitions; module-level statements that are not definitions
            belong to every entry.
        root: folder of the project's modules; everything outside it is a library and not followed.

    Raises:
        KeyError: the module has no definition of that name.
    """
    reached: dict[tuple[str, str], str] = {}
    todo = [(module, entry) for entry in entries]
    while todo:
        item = todo.pop()
        if item in reached:
            continue
        source = _Module.read(item[0], root)
        reached[item], further = source.seen(item[1])
        todo += further
    text = "\n".join(f"{name}:{entry}:{dump}" for (name, entry), dump in sorted(reached.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Module:
    """One source file: its definitions, its loose statements, what its names refer to."""

    LOOSE = "<module>"  # the entry that stands for the statements outside definitions

    def __init__(self, name: str, root: Path, path: Path):
        self.name, self.root = name, root
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        loose: list[ast.stmt] = []
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for statement in tree.body:
            names = _defined(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom) or _is_binding(statement):
                continue
            if names:
                for defined in names:
                    self.definitions.setdefault(defined, []).append(statement)
            elif not _is_docstring(statement):
                loose.append(statement)
        self.definitions[self.LOOSE] = loose
        self._seen: dict[str, tuple[str, list[tuple[str, str]]]] = {}
        for statement in tree.body:
            if not _defined(statement):
                self.imports |= self._imported(statement)

    @staticmethod
    def read(name: str, root: Path) -> "_Module":
        path = _locate(name, root)
        if path is None:
            raise KeyError(f"there is no module {name!r} under {root}")
        return _parsed(name, root, path, path.stat().st_mtime_ns)

    def _imported(self, statement: ast.stmt) -> dict[str, tuple[str, str | None]]:
        """Return what the imports in a statement bind: names to (module, member or None)."""
        found = {}
        for node in ast.walk(statement):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                for alias in node.names:
                    name = alias.asname or alias.name
                    if _locate(f"{node.module}.{alias.name}", self.root):
                        found[name] = (f"{node.module}.{alias.name}", None)
                    elif _locate(node.module, self.root):
                        found[name] = (node.module, alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if _locate(alias.name, self.root):
                        found[alias.asname or alias.name] = (alias.name, None)
        return found

    def seen(self, entry: str) -> tuple[str, list[tuple[str, str]]]:
        """Return a definition's dump and what it refers to; stages share most of it."""
        if entry not in self._seen:
            self._seen[entry] = self.dump(entry), self.reaches(entry)
        return self._seen[entry]

    def dump(self, entry: str) -> str:
        if entry not in self.definitions:
            raise KeyError(f"module {self.name!r} defines no {entry!r}")
        return ";".join(canonical(node) for node in self.definitions[entry])

    def reaches(self, entry: str) -> list[tuple[str, str]]:
        """Return the (module, definition) pairs that a definition refers to."""
        found = {(self.name, self.LOOSE)}
        for statement in self.definitions[entry]:
            # Heavy imports are inside functions, where other functions may mean others by a name.
            imports = {**self.imports, **self._imported(statement)}
            for node in ast.walk(statement):
                if isinstance(node, ast.Name):
                    found |= self._resolve(node.id, None, imports)
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    found |= self._resolve(node.value.id, node.attr, imports)
        return sorted(found)

    def _resolve(self, name: str, attribute: str | None, imports: dict) -> set[tuple[str, str]]:
        if name in imports:
            module, member = imports[name]
            if member is not None:
                target = _Module.read(module, self.root)
                return target._member(member)
            if attribute is None:
                return set()  # the bare module name: its attributes are met as such
            return _Module.read(module, self.root)._member(attribute)
        if name in self.definitions:
            return {(self.name, name)}
        return set()

    def _member(self, name: str) -> set[tuple[str, str]]:
        if name in self.definitions:
            return {(self.name, name)}
        return self._resolve(name, None, self.imports)  # re-exported from elsewhere


@cache
def _parsed(name: str, root: Path, path: Path, _modified: int) -> _Module:
    return _Module(name, root, path)


@cache
def _locate(name: str, root: Path) -> Path | None:
    if name == WRAPPER or name.startswith(f"{WRAPPER}."):
        return None
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    else:
        return []
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and (
        isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    )


def _is_binding(statement: ast.stmt) -> bool:
    """Tell whether a statement is a script's `if "snakemake" in globals():` or `__main__` part."""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Constant) and node.value in ("snakemake", "__main__")
        for node in ast.walk(statement.test)
    )


def canonical(node: object) -> str:
    """Dump a syntax tree as text that is equal on every supported Python.

    Positions, docstrings, annotations and empty or new-fangled optional fields are left out.
    """
    if isinstance(node, ast.AST):
        parts = []
        for field, value in ast.iter_fields(node):
            if field in SKIPPED or value is None or value == []:
                continue
            if field == "body" and isinstance(value, list) and len(value) > 1:
                value = [item for item in value if not _is_docstring(item)]
            parts.append(f"{field}={canonical(value)}")
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(canonical(item) for item in node)}]"
    return f"{type(node).__name__}:{node!r}"
