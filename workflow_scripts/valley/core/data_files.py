"""Paths that code names relative to itself, such as `Path(__file__).with_name("page.html.j2")`."""

import ast
from collections.abc import Iterator
from pathlib import Path


def paths_named(tree: ast.AST, file: Path) -> Iterator[Path]:
    """Yield the paths that expressions below a syntax tree build from `__file__`.

    Only whole expressions count: of `Path(__file__).parent / "x"` the file x, not its folder.

    Args:
        tree: any node of the module's syntax tree.
        file: the module's own file.
    """
    path = _value(tree, file)
    if isinstance(path, Path):
        yield path
        return
    for child in ast.iter_child_nodes(tree):
        yield from paths_named(child, file)


def _value(node: ast.AST, file: Path) -> Path | None:
    """Return the path that an expression means; None for other expressions."""
    match node:
        case ast.Name(id="__file__"):
            return file
        case ast.Attribute(value=inner, attr="parent"):
            above = _value(inner, file)
            return above and above.parent
        case ast.Subscript(
            value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(level))
        ):
            above = _value(inner, file)
            return above and (above.parents[level] if level < len(above.parents) else None)
        case ast.BinOp(left=inner, op=ast.Div(), right=ast.Constant(value=str(name))):
            above = _value(inner, file)
            return above and above / name
        case ast.Call(func=ast.Attribute(value=inner, attr=method), args=arguments):
            return _called(_value(inner, file), method, arguments) or _converted(node, file)
        case ast.Call():
            return _converted(node, file)
    return None


def _called(path: Path | None, method: str, arguments: list[ast.expr]) -> Path | None:
    """Return what a method of a path gives, where it gives a path."""
    names = [str(word.value) for word in arguments if isinstance(word, ast.Constant)]
    if path is None or len(names) != len(arguments):
        return None
    if method in ("resolve", "absolute"):
        return path
    if method == "with_name" and len(names) == 1:
        return path.with_name(names[0])
    if method == "with_suffix" and len(names) == 1:
        return path.with_suffix(names[0])
    return path.joinpath(*names) if method == "joinpath" else None


def _converted(node: ast.Call, file: Path) -> Path | None:
    """Return the path in `Path(…)`, `str(…)`, `os.path.realpath(…)` and the like."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else None
    name = node.func.id if isinstance(node.func, ast.Name) else name
    if len(node.args) != 1 or node.keywords:
        return None
    inside = _value(node.args[0], file)
    if name in ("Path", "PurePath", "str", "fspath", "realpath", "abspath"):
        return inside
    return inside and inside.parent if name == "dirname" else None
