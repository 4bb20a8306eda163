"""Tests that are written as assertions, turned into calls and what is expected of them.

`assert f(1, 2) == 3` becomes a call with its value. Any other assertion about one call with plain
arguments becomes that call, and a checker evaluates the assertion with the value that came back,
apart from the program, which sees neither. A value comes back as JSON would have it: tuples and
sets are lists. An assertion about anything else (a loop over random values, two calls at once)
cannot be kept apart from the program and is left out; a problem that has such is marked.
"""

import ast
import builtins
from dataclasses import dataclass


class BadRow(ValueError):
    """A row that cannot be read; the message names the field."""


@dataclass(frozen=True)
class Asserted:
    """Tests, the checker that some of them need, and how many assertions could not be kept."""

    tests: list[dict]
    checker: str | None
    left_out: int


def called_name(text: str) -> str:
    """Return the name of the function that assertions are about."""
    for statement in _parsed(text).body:
        for node in ast.walk(statement) if isinstance(statement, ast.Assert) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                if not hasattr(builtins, name) and name != "isclose":
                    return name
    raise BadRow("test_list: no assertion calls a function")


def asserted_tests(text: str, name: str) -> Asserted:
    """Read the assertions about the function `name`; BadRow if there is none of use."""
    tree = _parsed(text)
    tests, others, left_out = [], [], 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        call = _lone_call(node.test, name)
        try:
            arguments = [ast.literal_eval(argument) for argument in call.args] if call else None
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            arguments = None
        if arguments is None:
            left_out += 1
            continue
        expected = _plainly_expected(node.test, call)
        if expected is None:
            expected = f"#{len(others)}"
            others.append(_with_value(node.test, call))
        given = "\n".join(map(repr, arguments))
        tests.append({"input": given, "expected": expected, "public": False})
    if not tests:
        raise BadRow("test: no assertion is about a call with plain arguments")
    return Asserted(tests, _checker(tree, others) if others else None, left_out)


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadRow(f"test: {error}") from None


def _lone_call(test: ast.expr, name: str) -> ast.Call | None:
    calls = [
        node
        for node in ast.walk(test)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]
    return calls[0] if len(calls) == 1 and not calls[0].keywords else None


def _plainly_expected(test: ast.expr, call: ast.Call) -> str | None:
    """The expected value, where the assertion is no more than that the call equals it."""
    if not isinstance(test, ast.Compare) or test.left is not call or len(test.ops) != 1:
        return None
    if not isinstance(test.ops[0], ast.Eq | ast.Is):
        return None
    try:
        return repr(ast.literal_eval(test.comparators[0]))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _with_value(test: ast.expr, call: ast.Call) -> str:
    """The assertion's text, with the call replaced by the value that came back."""

    class Replace(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            return ast.Name("_value", ast.Load()) if node is call else self.generic_visit(node)

    return ast.unparse(Replace().visit(test))


def _checker(tree: ast.Module, others: list[str]) -> str:
    imports = [
        ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(
        [
            "import ast, json, math",
            *imports,
            f"_asserted = {others!r}",
            "def check(input, expected, output):",
            "    value = json.loads(output)",
            "    if expected.startswith('#'):",
            "        test = _asserted[int(expected[1:])]",
            "        return bool(eval(test, dict(globals(), _value=value)))",
            "    wanted = json.dumps(ast.literal_eval(expected), default=sorted)",
            "    return value == json.loads(wanted)",
        ]
    )
