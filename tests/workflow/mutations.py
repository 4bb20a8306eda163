"""Seeded mutations of the project's code, and an independent look at what may reach what.

The look is by words, where the digests resolve names: one definition may reach another where it
holds its name, as a word, and its file holds the name of the other's module. That is more than can
be reached, so what is outside of it must move no digest.
"""

import ast
import copy
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from numbered import LOOSE, modules

SWAPPED = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
Item = tuple[str, str]


def constant(node: ast.AST) -> ast.AST | None:
    """Return another constant for a number, a truth value or a word."""
    if not isinstance(node, ast.Constant):
        return None
    match node.value:
        case bool():
            return ast.Constant(not node.value)
        case int() | float():
            return ast.Constant(node.value + 1)
        case str():
            return ast.Constant(node.value + "~")
    return None


def comparison(node: ast.AST) -> ast.AST | None:
    """Return the opposite of a comparison."""
    if not isinstance(node, ast.Compare) or type(node.ops[0]) not in SWAPPED:
        return None
    swapped = copy.deepcopy(node)
    swapped.ops[0] = SWAPPED[type(node.ops[0])]()
    return swapped


def call(node: ast.AST) -> ast.AST | None:
    """Return a call that is not made any more."""
    if not isinstance(node, ast.Call):
        return None
    return ast.BoolOp(ast.And(), [ast.Constant(None), copy.deepcopy(node)])


KINDS: dict[str, Callable[[ast.AST], ast.AST | None]] = {
    "constant": constant,
    "comparison": comparison,
    "call": call,
}


def definition(tree: ast.Module, name: str) -> ast.AST | None:
    """Return the one function or class of a name."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    found = [node for node in tree.body if isinstance(node, kinds) and node.name == name]
    return found[0] if len(found) == 1 else None


def _logic(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield (parent, field, index in a list, node) of all that decides what code does."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_params"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if not isinstance(node, ast.JoinedStr | ast.MatchValue | ast.MatchMapping):
                yield node, field, index, child
            yield from _logic(child)


def mutated(source: str, name: str, kind: str, seed: str) -> str | None:
    """Return a module's text with one mutation in a definition; None without a site."""
    tree = ast.parse(source)
    if definition(tree, name) is None:
        return None
    sites = [
        (parent, field, index, new)
        for parent, field, index, node in _logic(definition(tree, name))
        if (new := KINDS[kind](node)) is not None
    ]
    if not sites:
        return None
    parent, field, index, new = random.Random(seed).choice(sites)
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new
    return ast.unparse(ast.fix_missing_locations(tree))


class Words:
    """What may reach what among the project's definitions, by their words alone."""

    def __init__(self, root: Path):
        self.words: dict[Item, set[str]] = {}
        self.imported: dict[str, set[str]] = {}
        self.by_name: dict[str, set[Item]] = {}
        for module, path in modules(root).items():
            tree = ast.parse(path.read_text(encoding="utf-8"))
            self.imported[module], renamed = _imported(tree)
            for node in tree.body:
                words = set(_words(node))
                words |= {name for word in words for name in renamed.get(word, ())}
                for name in _names(node):
                    self.words.setdefault((module, name), set()).update(words)
                    self.by_name.setdefault(name, set()).add((module, name))
        for names in self.imported.values():  # modules with __all__ hand on what they import
            for module, _ in filter(lambda item: item[1] == "__all__", self.words):
                if module.split(".")[-1] in names:
                    names |= self.imported[module]

    def reach(self, start: set[Item]) -> set[Item]:
        """Return all that may be reached from definitions."""
        found, todo = set(), list(start)
        while todo:
            item = todo.pop()
            if item in found:
                continue
            found.add(item)
            module, _ = item
            todo.append((module, LOOSE))
            for word in self.words.get(item, ()):
                for other in self.by_name.get(word, ()):
                    last = other[0].split(".")[-1]
                    if other[0] == module or last in self.imported[module]:
                        todo.append(other)
        return found


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return [LOOSE]


def _words(node: ast.stmt) -> Iterator[str]:
    """Yield the names, attributes and words of texts in a statement; no docstrings."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and re.search("snakemake|__main__", ast.unparse(node.test)):
        return  # the binding, which is none of the stage's functions
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and str(part.value).isidentifier():
            yield part.value


def _imported(tree: ast.Module) -> tuple[set[str], dict[str, set[str]]]:
    """Return the last words of what a file imports from, and what renamed imports stand for."""
    found, renamed = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            for alias in node.names:
                above = (getattr(node, "module", None) or "").split(".")[-1]
                found |= {above, alias.name.split(".")[-1]}
                if alias.asname:
                    renamed.setdefault(alias.asname, set()).add(alias.name)
    return found, renamed
