"""Rows of HumanEval's, MBPP's and EvalPlus's true form, a kind a row: written here, none is theirs.

Each kind stands for published rows that are hard to run. Rows are dictionaries with the published
columns; MARKS says of which the verdicts can't be trusted, and why.
"""

from benchmark_material import HARNESS

_META = "\n\nMETADATA = {\n    'author': 'x',\n    'dataset': 'test'\n}\n\n\n"


def _humaneval(entry: str, prompt: str, solution: str, checks: str, helpers: str = "") -> dict:
    body = "".join(f"    {line}\n" for line in checks.strip("\n").split("\n"))
    return {
        "prompt": prompt,
        "canonical_solution": solution,
        "test": f"{_META}{helpers}def check(candidate):\n{body}",
        "entry_point": entry,
    }


_POLY = (
    "import math\n\n\ndef poly(xs: list, x: float):\n"
    '    """\n    Evaluates polynomial with coefficients xs at point x.\n    """\n'
    "    return sum([coeff * math.pow(x, i) for i, coeff in enumerate(xs)])\n\n\n"
    'def find_zero(xs: list):\n    """ xs are coefficients.\n    find a zero\n    """\n'
)
_ZERO = (
    "    begin, end = -1., 1.\n    while poly(xs, begin) * poly(xs, end) > 0:\n"
    "        begin *= 2.0\n        end *= 2.0\n    while end - begin > 1e-10:\n"
    "        center = (begin + end) / 2.0\n        if poly(xs, center) * poly(xs, begin) > 0:\n"
    "            begin = center\n        else:\n            end = center\n    return begin\n"
)
_CYCLIC = (
    'def encode_cyclic(s: str):\n    """\n    cycles groups of three characters.\n    """\n'
    "    groups = [s[(3 * i):min((3 * i + 3), len(s))] for i in range((len(s) + 2) // 3)]\n"
    "    groups = [(group[1:] + group[0]) if len(group) == 3 else group for group in groups]\n"
    '    return "".join(groups)\n\n\n'
    'def decode_cyclic(s: str):\n    """\n    undoes encode_cyclic.\n    """\n'
)
HUMANEVAL = {
    "a helper of the prompt, called by the test": _humaneval(
        "find_zero",
        _POLY,
        _ZERO,
        "import math\nimport random\nrng = random.Random(42)\nimport copy\nfor _ in range(20):\n"
        "    ncoeff = 2 * rng.randint(1, 3)\n    coeffs = []\n    for _ in range(ncoeff):\n"
        "        coeff = rng.randint(-10, 10)\n        if coeff == 0:\n            coeff = 1\n"
        "        coeffs.append(coeff)\n    solution = candidate(copy.deepcopy(coeffs))\n"
        "    assert math.fabs(poly(coeffs, solution)) < 1e-4",
    ),
    "a helper of the prompt makes the arguments": _humaneval(
        "decode_cyclic",
        _CYCLIC,
        "    return encode_cyclic(encode_cyclic(s))\n",
        "from random import randint, choice\nimport string\nletters = string.ascii_lowercase\n"
        "for _ in range(50):\n    str = ''.join(choice(letters) for i in range(randint(5, 20)))\n"
        "    encoded_str = encode_cyclic(str)\n    assert candidate(encoded_str) == str",
    ),
    "the entry point's own name": _humaneval(
        "twice",
        "def twice(n: int) -> int:\n    ''' Return it doubled. '''\n",
        "    return n * 2\n",
        "assert candidate(2) == 4\nassert twice(twice(1)) == candidate(2)",
    ),
    "typing in the prompt, tolerance in the test": _humaneval(
        "deviation",
        "from typing import List\n\n\ndef deviation(numbers: List[float]) -> float:\n"
        '    """ Mean absolute deviation. """\n',
        "    mean = sum(numbers) / len(numbers)\n"
        "    return sum(abs(x - mean) for x in numbers) / len(numbers)\n",
        "assert abs(candidate([1.0, 2.0, 3.0]) - 2.0/3.0) < 1e-6\n"
        "assert abs(candidate([1.0, 2.0, 3.0, 4.0]) - 1.0) < 1e-6",
    ),
    "messages and asserts that are always true": _humaneval(
        "flip",
        "\ndef flip(s):\n    '''Swap the case.'''\n",
        "    return s.swapcase()\n",
        "# Check some simple cases\nassert candidate('Ab') == 'aB', \"Error: 1\"\n\n"
        '# Check some edge cases\nassert True, "This prints if this assert fails 2"',
    ),
    "None, pairs and mixed lists": _humaneval(
        "ends",
        "def ends(lst):\n    '''Largest negative and smallest positive.'''\n",
        "    a = [x for x in lst if x < 0]\n    b = [x for x in lst if x > 0]\n"
        "    return (max(a) if a else None, min(b) if b else None)\n",
        "assert candidate([2, -3]) == (-3, 2)\nassert candidate([]) == (None, None)\n"
        "assert candidate([]) is not None",
    ),
    "an import within the solution": _humaneval(
        "md5",
        "def md5(text):\n    '''MD5 of a text; None if it is empty.'''\n",
        "    import hashlib\n"
        "    return hashlib.md5(text.encode('ascii')).hexdigest() if text else None\n",
        "assert candidate('Hello world') == '3e25960a79dbc69b674cd4ec67a72c62'\n"
        "assert candidate('') == None",
    ),
    "a test with a helper of its own": _humaneval(
        "order",
        "def order(words):\n    '''Sort by length.'''\n",
        "    return sorted(words, key=len)\n",
        "assert same(candidate(['ab', 'a']), ['a', 'ab'])",
        helpers="def same(x, y):\n    return x == y\n\n",
    ),
    "an argument that stays as it was": _humaneval(
        "third",
        "def third(l: list):\n    '''Sort every third.'''\n",
        "    l = list(l)\n    l[::3] = sorted(l[::3])\n    return l\n",
        "given = [5, 6, 3, 4]\nassert tuple(candidate(given)) == tuple([4, 6, 3, 5])\n"
        "assert given == [5, 6, 3, 4]",
    ),
    "dictionaries, by words and by numbers": _humaneval(
        "histogram",
        "def histogram(test):\n    '''Most frequent letters.'''\n",
        "    from collections import Counter\n    counts = Counter(test.split())\n"
        "    top = max(counts.values(), default=0)\n"
        "    return {k: v for k, v in counts.items() if v == top}\n",
        "assert candidate('a b b a') == {'a':2,'b': 2}\nassert candidate('') == {}",
    ),
}

# Upstream rows that no harness can run, or nobody can be asked: kept, with these reasons.
_PLAIN = HUMANEVAL["messages and asserts that are always true"]
HUMANEVAL_MARKED = {
    "its own solution is not accepted: wrong_answer": _PLAIN
    | {"canonical_solution": "    return s\n"},
    "its own solution is not accepted: runtime_error": _PLAIN
    | {"canonical_solution": "    return missing\n"},
    "its own solution is not accepted: compile_error": _PLAIN
    | {"canonical_solution": "    return (\n"},
    "its own solution is not accepted: judge_error": _PLAIN | {"test": "import no_such_module\n"},
    "its own solution is not accepted: wrong_answer: the test ended": _PLAIN
    | {"test": "def check(candidate):\n    pass\n"},
    "statement: there is none": _PLAIN | {"prompt": ""},
    "test or entry_point: no text": _PLAIN | {"test": ""},
}

_LOOP = "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"


def _plus(kind: str, inputs: list, results: list, tolerance: object = 0, oracle: str = "") -> dict:
    row = HUMANEVAL[kind]
    check = f"def check(candidate):\n    inputs = {inputs!r}\n    results = {results!r}\n{_LOOP}"
    check += f"        {oracle or f'assertion(candidate(*inp), exp, {tolerance})'}\n"
    helpers = (
        "import math\n\n\ndef _poly(xs: list, x: float):\n"
        "    return sum([coeff * math.pow(x, i) for i, coeff in enumerate(xs)])\n\n\n"
    )
    return row | {"test": HARNESS + (helpers if oracle else "") + check}


HUMANEVALPLUS = {
    "an oracle in place of results": _plus(
        "a helper of the prompt, called by the test",
        [[[1, 2]], [[-6, 11, -6, 1]]],
        [-0.5, 1.0],
        oracle="assert abs(_poly(*inp, candidate(*inp))) <= 0.0001",
    ),
    "floats": _plus(
        "typing in the prompt, tolerance in the test",
        [[[1.0, 2.0, 3.0]], [[0.1, 0.2]]],
        [0.6666667, 0.05],
    ),
    "a tolerance of its own": _plus(
        "typing in the prompt, tolerance in the test", [[[1.0, 2.0, 3.0]]], [0.66673], 1e-4
    ),
    "many inputs": _plus(
        "the entry point's own name", [[n] for n in range(1000)], [2 * n for n in range(1000)]
    ),
    "texts": _plus("messages and asserts that are always true", [["Ab"], ["é"]], ["aB", "É"]),
    "pairs with None": _plus(
        "None, pairs and mixed lists", [[[2]], [[]]], [(None, 2), (None,) * 2]
    ),
    "lists": _plus("a test with a helper of its own", [[["ab", "a"]], [[]]], [["a", "ab"], []]),
    "big integers": _plus("the entry point's own name", [[10**40], [-1]], [2 * 10**40, -2]),
}


def _mbpp(code: str, tests: list[str], text: str = "Write a function.", setup: str = "") -> dict:
    return {"text": text, "code": code, "test_list": tests, "test_setup_code": setup}


_NODE = (
    "class Node: \r\n\tdef __init__(self, data): \r\n\t\tself.data = data \r\n"
    "\t\tself.left = None\r\n\t\tself.right = None\r\n"
    "def height(node): \r\n\tif node is None: \r\n\t\treturn 0\r\n"
    "\treturn max(height(node.left), height(node.right)) + 1"
)
MBPP = {
    "a tree, built in the setup": _mbpp(
        _NODE,
        ["assert (height(root)) == 3", "assert (height(root1)) == 1"],
        setup="root = Node(1) \r\nroot.left = Node(2) \r\nroot.right = Node(3) \r\n"
        "root.left.left = Node(4) \r\nroot1 = Node(1); \r\n",
    ),
    "objects as arguments": _mbpp(
        "class Pair(object): \r\n\tdef __init__(self, a, b): \r\n\t\tself.a = a \r\n"
        "\t\tself.b = b \r\ndef longest(arr, n): \r\n\treturn sum(p.b > p.a for p in arr) + n - n",
        ["assert longest([Pair(5, 24), Pair(15, 25)], 4) == 2"],
    ),
    "a function named sum": _mbpp(
        "def sum(a,b): \r\n    total = 1\r\n    for i in range(2, min(a, b) + 1): \r\n"
        "        if a % i == 0 and b % i == 0: \r\n            total += i\r\n    return total",
        ["assert sum(10,15) == 6", "assert sum(4,6) == 3"],
    ),
    "complex numbers": _mbpp(
        "import cmath\r\ndef angle(a,b):\r\n  cn=complex(a,b)\r\n  return cmath.phase(a+b) if cn "
        "else 0",
        ["assert angle(0,1j)==1.5707963267948966", "assert angle(2,1j)==0.4636476090008061"],
    ),
    "a complex result": _mbpp("def z(a, b): return complex(a, b)", ["assert z(1, 2) == 1 + 2j"]),
    "tuple keys": _mbpp(
        "from collections import Counter \r\ndef pairs(xs):\r\n"
        "  return dict(Counter(tuple(ele) for ele in map(sorted, xs)))",
        ["assert pairs([(3, 1), (1, 3)]) == {(1, 3): 2}", "assert pairs([]) == {}"],
    ),
    "a match": _mbpp(
        "import re\r\ndef found(text):\r\n  return re.search('ab+', text)",
        ["assert found('xabb')", "assert not found('x')", "assert found('ab') is not None"],
    ),
    "exact types": _mbpp(
        "def swap(t): return t[1], t[0]",
        ["assert swap((1, 2)) == (2, 1)", "assert type(swap((1, 2))) is tuple"],
    ),
    "types as arguments": _mbpp(
        "def of(xs, kind): return [x for x in xs if isinstance(x, kind)]",
        ["assert of([1, 'a', 2.5], str) == ['a']", "assert of([1, 'a'], int) == [1]"],
    ),
    "sets and frozen sets": _mbpp(
        "def both(a, b): return frozenset(a) & frozenset(b)", ["assert both((1, 2), (2,)) == {2}"]
    ),
    "a default dictionary": _mbpp(
        "from collections import defaultdict\r\ndef groups(xs):\r\n  d = defaultdict(list)\r\n"
        "  for k, v in xs:\r\n    d[k].append(v)\r\n  return d",
        ["assert groups([('a', 1), ('a', 2)]) == {'a': [1, 2]}"],
    ),
    "a generator": _mbpp(
        "def some(n):\r\n    yield from range(n)", ["assert list(some(2))==[0,1]"]
    ),
    "a big integer": _mbpp("def power(n): return 7 ** n", ["assert power(6000) == 7**6000"]),
    "exact floats": _mbpp(
        "def area(a): return a * 0.1 * 3", ["assert area(1)==0.30000000000000004"]
    ),
    "arguments that are computed": _mbpp(
        "def ordered(xs): return sorted(xs)",
        ["assert ordered(list(range(5, 0, -1))) == [x + 1 for x in range(5)]"],
    ),
    "changes in place": _mbpp(
        "def drop(xs):\r\n    xs.pop()\r\n    return xs", ["a = [1, 2]\nassert drop(a) == [1] == a"]
    ),
}
_ANY = MBPP["exact types"]
MBPP_MARKED = {
    "its own solution is not accepted: runtime_error": _ANY
    | {"code": "from fractions import gcd\ndef swap(t): return t"},
    "its own solution is not accepted: compile_error": _ANY | {"code": "def swap(t): print t"},
    "its own solution is not accepted: wrong_answer": _ANY | {"code": "def swap(t): return t"},
    "statement: there is none": _ANY | {"text": ""},
    "tests: there are none": _ANY | {"test_list": []},
}


def _mbppplus(code: str, call: str, inputs: list, results: list, change: str = "") -> dict:
    exact = "exact_match = out == exp"
    harness = HARNESS.replace(exact, change) if change else HARNESS
    loop = _LOOP.replace("    for", "for", 1)
    return {
        "prompt": "Write a function.",
        "code": code,
        "test_imports": [],
        "test_list": [f"assert {call}(*{tuple(inputs[0])!r}) == {results[0]!r}"],
        "test": f"{harness}inputs = {inputs!r}\nresults = {results!r}\n{loop}"
        f"    assertion({call}(*inp), exp, 0)\n",
    }


MBPPPLUS = {
    "order does not count": _mbppplus(
        "def shared(a, b):\n    return tuple(set(a) & set(b))",
        "shared",
        [[(3, 4, 5), (5, 4)], [(1,), (2,)]],
        [(4, 5), ()],
        "exact_match = set(out) == set(exp)",
    ),
    "anything but None": _mbppplus(
        "import re\ndef begins(text): return re.match('ab', text)",
        "begins",
        [["abc"], ["x"]],
        [True, False],
        "exact_match = exp == (out is not None)",
    ),
    "floats": _mbppplus(
        "def half(x): return x / 2 + 1e-9", "half", [[3], [1e9]], [1.5, 500000000.0]
    ),
    "a complex number": _mbppplus("def z(a): return complex(a, 1)", "z", [[2]], [2 + 1j]),
    "tuple keys": _mbppplus("def count(a): return {(a, a): 2}", "count", [[1]], [{(1, 1): 2}]),
    "infinity": _mbppplus("def top(a): return max(a)", "top", [[[1.0, 1e308]]], [1e308]),
    "many inputs": _mbppplus(
        "def square(n): return n * n",
        "square",
        [[n] for n in range(300)],
        [n * n for n in range(300)],
    ),
}
MBPPPLUS_MARKED = {
    "its own solution is not accepted: wrong_answer": MBPPPLUS["many inputs"]
    | {"code": "def square(n): return n"},
    "its own solution is not accepted: runtime_error": MBPPPLUS["many inputs"]
    | {"code": "def square(n): return n / 0"},
}
