"""What a published test's text and prompt say: whose function is called, what is defined."""

import ast
import builtins


def tested_name(test: str, reference: str | None) -> str | None:
    """Return the name of the function that assertions are about; None where that can't be told.

    A reference solution decides, where there is one: the first of its functions that is called.
    """
    calls = [
        node.func.id
        for statement in _parsed(test)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    defined = {
        node.name
        for node in _parsed(reference or "")
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    ours = [name for name in calls if name in defined]
    others = [name for name in calls if not hasattr(builtins, name) and name != "isclose"]
    return next(iter(ours or others or calls), None)


def brought_along(prompt: str, entry: str) -> str:
    """Return a prompt's imports and helpers, without the function that is to be completed."""
    kept = [node for node in _parsed(prompt) if getattr(node, "name", None) != entry]
    return "\n".join(map(ast.unparse, kept))


def _parsed(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
