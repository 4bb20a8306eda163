"""Tests that are written as assertions, turned into calls and what is expected of them.

`assert f(1, 2) == 3` becomes a call with its value. Any other assertion about one call with plain
arguments becomes that call, and a checker evaluates the assertion with the value that came back,
apart from the program, which sees neither. A value comes back as JSON would have it: tuples and
sets are lists. An assertion about anything else (a loop over random values, two calls at once)
cannot be kept apart from the program and is left out; a problem that has such is marked.

EvalPlus writes a loop instead, over `inputs` with `results` or a `ref_func` beside them: its inputs
become the calls. Where its `assertion` is not the usual one (equal, or floats close to each other,
which is how values are compared here anyway), a checker asks it.
"""

import ast
import builtins
from dataclasses import dataclass

from valley.core.complaints import BadRow


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
    paired = _paired_tests(tree)
    if paired is not None:
        return paired
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


def _paired_tests(tree: ast.Module) -> Asserted | None:
    """Read EvalPlus's `inputs` and `results`; None if there are none."""
    lists = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.List)
    }
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    reference = "results" not in lists and "ref_func" in functions
    if "inputs" not in lists or not ("results" in lists or reference):
        return None
    inputs = lists["inputs"].elts
    results = lists["results"].elts if "results" in lists else [ast.Constant(None)] * len(inputs)
    tests, left_out = [], abs(len(inputs) - len(results))
    for one, other in zip(inputs, results, strict=False):
        try:
            given, wanted = ast.literal_eval(one), ast.literal_eval(other)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            left_out += 1  # not a plain value, such as infinity
            continue
        given = "\n".join(map(repr, given))
        tests.append({"input": given, "expected": repr(wanted), "public": False})
    if not tests:
        raise BadRow("test: no input and result are plain values")
    usual = "assertion" not in functions or _names(functions["assertion"]) <= _USUAL
    checker = None if usual and not reference else _pair_checker(tree, functions, reference)
    return Asserted(tests, checker, left_out)


# What EvalPlus's usual `assertion` is made of.
_USUAL = {"out", "exp", "atol", "exact_match", "is_floats", "np"}


def _names(function: ast.FunctionDef) -> set[str]:
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}


# For checkers, which have the standard library only: what `assertion` asks of numpy.
_NUMPY = """
class np:
    ndarray, float64, float32 = (), float, float

    def allclose(one, other, rtol=1e-05, atol=1e-08):
        if isinstance(other, list):
            pairs = len(one) == len(other) and list(zip(one, other))
            return pairs is not False and all(np.allclose(*pair, rtol, atol) for pair in pairs)
        return one == other or abs(one - other) <= atol + rtol * abs(other)

    class testing:
        def assert_allclose(one, other, rtol=1e-07, atol=0):
            assert np.allclose(one, other, rtol, atol)
"""


def _pair_checker(tree: ast.Module, functions: dict, reference: bool) -> str:
    wanted = "ref_func(*arguments)" if reference else "ast.literal_eval(expected)"
    asked = "assertion(value, wanted, 0)" if "assertion" in functions else "assert value == wanted"
    kept = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)
        and getattr(node, "name", "") != "check"
        and not (isinstance(node, ast.Import) and node.names[0].name == "numpy")
    ]
    return "\n".join(
        [
            "import ast, json",
            _NUMPY,
            *kept,
            "def check(input, expected, output):",
            "    arguments = [ast.literal_eval(line) for line in input.split('\\n')]",
            f"    wanted = json.loads(json.dumps({wanted}, default=sorted))",
            "    value = json.loads(output)",
            "    try:",
            f"        {asked}",
            "    except (AssertionError, TypeError) as error:",
            "        return False, str(error)[:100]",
            "    return True",
        ]
    )


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
