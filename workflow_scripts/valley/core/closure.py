"""The digest of the code that a stage reaches, blind to comments, docstrings and formatting.

Snakemake's own code trigger sees one file and sees its comments. This one follows names from a
stage's entry function through the project's modules, so that an edit re-runs exactly the stages
whose logic it can change. Where a name can't be followed (`getattr(module, word)`, a module handed
on as a value), all that it may stand for is covered. Data files that code names relative
to its own path are covered byte by byte.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from valley.core.data_files import paths_named

ROOT = Path(__file__).resolve().parents[2]
# What is around a job and changes no result of it: its log, its sidecar, the store.
WRAPPER = "valley.workflow"
SKIPPED = {"type_comment", "kind", "ctx", "type_ignores", "type_params", "returns", "annotation"}
IMPORTING = ("import_module", "__import__")
LOOSE = "<module>"  # the entry that stands for a module's statements outside definitions
DATA = "<data>"  # the entry that stands for the bytes of a file that is no module
Item = tuple[str, str]


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
    covered = sorted(_walk(module, entries, root).items())
    text = "\n".join(f"{name}:{entry}:{dump}" for (name, entry), dump in covered if dump)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def closure(module: str, *entries: str, root: Path = ROOT) -> set[Item]:
    """Return the (module, definition) pairs that a digest of these entries covers.

    `LOOSE` stands for a module's other statements; a data file is its path below `root`, `DATA`.
    """
    return set(_walk(module, entries, root))


def _walk(module: str, entries: Iterable[str], root: Path) -> dict[Item, str]:
    """Return the dump of all that the entries of a module reach."""
    reached: dict[Item, str] = {}
    todo = [(module, entry) for entry in entries]
    while todo:
        item = todo.pop()
        if item in reached:
            continue
        name, entry = item
        if entry == DATA:
            reached[item] = hashlib.sha256((root / name).read_bytes()).hexdigest()
            continue
        reached[item], further = _Module.read(name, root).seen(entry)
        todo += further
    return reached


class _Statement:
    """A top-level statement of a module, with what digests need; its tree is walked once."""

    def __init__(self, tree: ast.stmt):
        self.tree = tree

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes, outer ones first, in the order of `ast.walk`; no contexts of names."""
        found: list[ast.AST] = [self.tree]
        for node in found:  # grows while it is walked
            for field in node._fields:
                value = getattr(node, field, None)
                if isinstance(value, list):
                    found += [item for item in value if isinstance(item, ast.AST)]
                elif isinstance(value, ast.AST) and field != "ctx":
                    found.append(value)
        return found

    @cached_property
    def imports(self) -> list[ast.Import | ast.ImportFrom]:
        """The imports in it, also those inside functions."""
        return [node for node in self.nodes if isinstance(node, ast.Import | ast.ImportFrom)]

    @cached_property
    def names(self) -> set[str]:
        """The names in its canonical text, without their attributes."""
        return set(_dumped_names(self.tree))

    @cached_property
    def chains(self) -> set[tuple[str, ...]]:
        """The dotted names in it, each as long as it goes: ("students", "load")."""
        inner = {id(node.value) for node in self.nodes if isinstance(node, ast.Attribute)}
        whole = (node for node in self.nodes if id(node) not in inner)
        return {chain for node in whole if (chain := _chain(node))}

    @cached_property
    def by_word(self) -> set[str]:
        """The modules that are imported by a constant text."""
        return {
            node.args[0].value
            for node in self.nodes
            if isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", None)) in IMPORTING
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        }

    @cached_property
    def canonical(self) -> str:
        """Its syntax as text."""
        return canonical(self.tree)


class _Module:
    """One source file: its definitions, its loose statements, what its names refer to."""

    def __init__(self, name: str, root: Path, path: Path):
        self.name, self.root, self.path = name, root, path
        self.definitions: dict[str, list[_Statement]] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.stars: list[str] = []
        self.run: set[str] = set()  # modules that are run because this one imports them
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        statements = [
            _Statement(item) for item in tree.body if not (_is_binding(item) or _is_docstring(item))
        ]
        for statement in statements:
            if not _defined(statement.tree):
                self.imports |= self._imported(statement)
                self.run |= set(self._run_by(statement))
        loose: list[_Statement] = []
        for statement in statements:
            if isinstance(statement.tree, ast.Import | ast.ImportFrom):
                continue
            # What is put into another module, or into an object of it, is no definition here.
            names = [name for name in _defined(statement.tree) if name not in self.imports]
            for defined in names:
                self.definitions.setdefault(defined, []).append(statement)
            if not names:
                loose.append(statement)
        self.definitions[LOOSE] = loose
        self._seen: dict[str, tuple[str, list[Item]]] = {}

    @staticmethod
    def read(name: str, root: Path) -> "_Module":
        path = _locate(name, root)
        if path is None:
            raise KeyError(f"there is no module {name!r} under {root}")
        return _parsed(name, root, path, path.stat().st_mtime_ns)

    def _imported(self, statement: _Statement) -> dict[str, tuple[str, str | None]]:
        """Return what the imports in a statement bind: names to (module, member or None).

        A module that is no file of the project's is a library; its members are kept, too: which one
        a name stands for is logic.
        """
        found: dict[str, tuple[str, str | None]] = {}
        for node in statement.imports:
            if isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                for alias in node.names:
                    if alias.name == "*":
                        self.stars += [module] if _locate(module, self.root) else []
                    elif _locate(f"{module}.{alias.name}", self.root):
                        found[alias.asname or alias.name] = (f"{module}.{alias.name}", None)
                    else:
                        found[alias.asname or alias.name] = (module, alias.name)
            else:
                for alias in node.names:
                    # `import a.b` binds a; `import a.b as c` binds c to a.b.
                    bound = alias.name if alias.asname else alias.name.split(".")[0]
                    found[alias.asname or bound] = (bound, None)
        return found

    def _run_by(self, statement: _Statement) -> Iterator[str]:
        """Yield the project's modules that the imports in a statement run."""
        for node in statement.imports:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                module = self._absolute(node)
                names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            yield from (name for name in names if _locate(name, self.root))

    def _absolute(self, node: ast.ImportFrom) -> str:
        """Return the dotted name of the module that a `from … import` reads."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        up = node.level - (self.path.name == "__init__.py")
        return ".".join([*package[: len(package) - up], *([node.module] if node.module else [])])

    def seen(self, entry: str) -> tuple[str, list[Item]]:
        """Return a definition's dump and what it refers to; stages share most of it."""
        if entry not in self._seen:
            self._seen[entry] = self.dump(entry), self.reaches(entry)
        return self._seen[entry]

    def dump(self, entry: str) -> str:
        """Return a definition as text: its syntax, and what the imported names in it stand for."""
        if entry not in self.definitions:
            raise KeyError(f"module {self.name!r} defines no {entry!r}")
        statements = self.definitions[entry]
        names = set().union(*(statement.names for statement in statements))
        bound = [f"{name}={self.imports[name]}" for name in sorted(names & set(self.imports))]
        return ";".join([*(statement.canonical for statement in statements), *bound])

    def reaches(self, entry: str) -> list[Item]:
        """Return the (module, definition) pairs that a definition refers to."""
        found = self._own_loose()
        for statement in self.definitions[entry]:
            # Heavy imports are inside functions, where other functions may mean others by a name.
            imports = {**self.imports, **self._imported(statement)}
            for chain in statement.chains:
                found |= self._resolve(chain, imports)
            for name in statement.by_word:
                if _locate(name, self.root):
                    found |= _Module.read(name, self.root).everything()
            if "__file__" in statement.names:
                for path in paths_named(statement.tree, self.path):
                    found |= self._beside(path)
        if entry == LOOSE:  # what is imported is run, whether a name of it is used or not
            found |= {(module, LOOSE) for module in self.run}
            found |= {(self.name, name) for name in self._registered()}
        return sorted(found)

    def everything(self) -> set[Item]:
        """Return all definitions, for where a module is used by words."""
        return {(self.name, name) for name in self.definitions}

    def _own_loose(self) -> set[Item]:
        """Return the loose statements that run first: those of the packages above, its own."""
        parts = self.name.split(".")
        above = (".".join(parts[:number]) for number in range(1, len(parts)))
        return {(name, LOOSE) for name in (*above, self.name) if _locate(name, self.root)}

    def _registered(self) -> Iterator[str]:
        """Yield definitions whose decorators are the project's: these may note them somewhere."""
        for name, statements in self.definitions.items():
            for statement in statements:
                for decorator in getattr(statement.tree, "decorator_list", []):
                    chains = _Statement(decorator).chains
                    if any(self._resolve(chain, self.imports) for chain in chains):
                        yield name

    def _beside(self, path: Path) -> set[Item]:
        """Return the data files that a path names, or the module that is run by its path."""
        root = self.root.resolve()
        if not path.resolve().is_relative_to(root) or not path.exists():
            return set()
        inside = path.resolve().relative_to(root)
        if path.suffix == ".py":
            if path.resolve() == self.path.resolve():
                return set()
            return _Module.read(".".join(inside.with_suffix("").parts), self.root).everything()
        if path.is_file():
            return {(inside.as_posix(), DATA)}
        if any(path.rglob("*.py")):
            return set()  # a folder of modules: these are followed by name
        files = (file.resolve() for file in path.rglob("*") if file.is_file())
        return {(file.relative_to(root).as_posix(), DATA) for file in files}

    def _resolve(self, chain: tuple[str, ...], imports: dict[str, Any]) -> set[Item]:
        """Return what a dotted name, such as students.load, refers to."""
        name, *attributes = chain
        if name == "globals":
            return self.everything()
        if name in imports:
            module, member = imports[name]
            if member is not None:
                if not _locate(module, self.root):
                    return set()
                return _Module.read(module, self.root)._member(member, attributes)
            return _within(module, attributes, self.root)
        if name in self.definitions:
            return {(self.name, name)}
        for module in self.stars:
            target = _Module.read(module, self.root)
            if name in target.definitions or name in target.imports:
                return target._member(name, attributes)
        return set()

    def _member(self, name: str, attributes: list[str]) -> set[Item]:
        """Return what a name means to those who import it from here."""
        if name in self.definitions:
            return {(self.name, name)}
        # Re-exported from elsewhere, or made by a loose statement or by the module's __getattr__.
        found = self._own_loose() | self._resolve((name, *attributes), self.imports)
        return found | {(self.name, n) for n in ("__getattr__",) if n in self.definitions}


def _within(module: str, attributes: list[str], root: Path) -> set[Item]:
    """Return what is meant by attributes of a module or package; a bare module is all of it."""
    while attributes and _locate(f"{module}.{attributes[0]}", root):
        path = _locate(module, root)
        if path and attributes[0] in _Module.read(module, root).definitions:
            break
        module, attributes = f"{module}.{attributes[0]}", attributes[1:]
    if not _locate(module, root):
        if not attributes or not (root.joinpath(*module.split(".")) / attributes[0]).is_dir():
            return set()  # a library, or a folder without a module of its own
        return _within(f"{module}.{attributes[0]}", attributes[1:], root)
    target = _Module.read(module, root)
    return target._member(attributes[0], attributes[1:]) if attributes else target.everything()


@cache
def _parsed(name: str, root: Path, path: Path, _modified: int) -> _Module:
    return _Module(name, root, path)


@cache
def _locate(name: str, root: Path) -> Path | None:
    if not name or name == WRAPPER or name.startswith(f"{WRAPPER}."):
        return None
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _dumped_names(node: ast.AST) -> Iterator[str]:
    """Yield the names in what `canonical` dumps of a syntax tree."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field not in SKIPPED:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.AST):
                    yield from _dumped_names(item)
    if isinstance(node, ast.ClassDef):
        for annotation in _annotations(node):
            yield from _dumped_names(annotation)


def _annotations(definition: ast.ClassDef) -> list[ast.expr]:
    """Return the annotations of a class' fields: a dataclass is made by them."""
    return [item.annotation for item in definition.body if isinstance(item, ast.AnnAssign)]


def _chain(node: ast.AST) -> tuple[str, ...]:
    """Return the dotted name that a node is; nothing where it is none."""
    attributes = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else ()


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


def _is_docstring(statement: ast.AST) -> bool:
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
    Annotations of a class' fields stay: a dataclass is made by them.
    """
    if isinstance(node, ast.AST):
        parts = []
        for field in node._fields:
            if field in SKIPPED or (value := getattr(node, field, None)) is None or value == []:
                continue
            if field == "body" and isinstance(value, list):
                value = [item for item in value if not _is_docstring(item)]
            parts.append(f"{field}={canonical(value)}")
        if isinstance(node, ast.ClassDef):
            fields = _annotations(node)
            parts += [f"fields={canonical(fields)}"] if fields else []
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(canonical, node))}]"
    return f"{type(node).__name__}:{node!r}"
