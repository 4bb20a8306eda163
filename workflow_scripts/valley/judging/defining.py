"""What a piece of code does about the thing asked: does it define the function, read the input?"""

import ast
import re
import sys
import warnings
from collections.abc import Iterator

LONGEST = 1 << 20  # characters; a longer program is a compile error whatever it holds
_ENTERED = ast.If | ast.Try | ast.With | ast.For | ast.While
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\(0|\bfileinput\b")
_WRITES = re.compile(r"\bprint\s*\(|\bstdout\b")
NOTHING, SOME, FULLY = range(3)


def parsed(code: str) -> ast.Module | None:
    """Return a code's tree; None if it does not parse."""
    if len(code) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def does_something(tree: ast.Module) -> bool:
    """Tell code from words that happen to parse: names, numbers, texts, `Note: this`."""
    return any(map(_acts, tree.body))


def _acts(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return any(isinstance(part, ast.Call) for part in ast.walk(node))
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return not isinstance(node, ast.Pass)


def rank(code: str, asked: str | None, python: bool = True) -> int:
    """Return how much a code is what was asked for, from NOTHING to FULLY.

    Args:
        code: source text.
        asked: name of the function or class asked for; "" for a program that reads its input; None
            where that is not known (then all code is NOTHING).
        python: whether code that does not parse may be a program with a mistake.
    """
    if asked is None:
        return NOTHING
    # A body that is only a comment is a sketch: with a statement it parses, and is seen as one.
    tree = parsed(code) or parsed(f"{code.rstrip()}\n            pass")
    if tree is not None:
        return _defines(tree, asked) if asked else _reads(tree)
    if not python:
        return NOTHING
    if asked:
        defined = rf"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+{re.escape(asked)}\b"
        return FULLY if re.search(defined, code, re.MULTILINE) else NOTHING
    if not _READS.search(code):
        return NOTHING
    return FULLY if _WRITES.search(code) else SOME


def _defines(tree: ast.Module, name: str) -> int:
    found = NOTHING
    for node in _statements(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            found = max(found, NOTHING if _is_sketch(node) else FULLY)
        elif isinstance(node, ast.ClassDef):
            methods = [
                item
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
                and item.name == name
                and not _is_sketch(item)
            ]
            if (node.name == name and not _is_sketch(node)) or (
                node.name == "Solution" and methods
            ):
                found = FULLY
        elif _binds(node, name):
            found = max(found, SOME)
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those below `if`, `try` and the like included."""
    waiting = list(body)
    for node in waiting:
        yield node
        if isinstance(node, _ENTERED):
            waiting += [*node.body, *getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]


def _is_sketch(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Tell whether a definition's body is `pass`, `...` or a docstring and nothing else."""
    return all(
        isinstance(item, ast.Pass)
        or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
        for item in node.body
    )


def _binds(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(to, ast.Name) and to.id == name for to in node.targets)
    if isinstance(node, ast.ImportFrom):
        # A test imports what it tests from a file that is not there.
        standard = (node.module or "").split(".")[0] in sys.stdlib_module_names
        return standard and any((item.asname or item.name) == name for item in node.names)
    return False


def _reads(tree: ast.Module) -> int:
    reads = writes = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            reads |= node.id in ("input", "stdin", "fileinput")
            writes |= node.id in ("print", "stdout")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            # A test sets `sys.stdin`; that reads nothing.
            reads |= node.attr == "stdin"
            writes |= node.attr == "stdout"
        elif isinstance(node, ast.Constant):
            reads |= node.value == "/dev/stdin"
        elif isinstance(node, ast.Call) and node.args and _is_zero(node.args[0]):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            reads |= called in ("open", "read", "fdopen")
    if not reads:
        return NOTHING
    return FULLY if writes else SOME


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0 and type(node.value) is int
