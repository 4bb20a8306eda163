"""Published tests with programs; the verdict is that of one process running both, as published."""

HELPER_PROMPT = '''import math
from typing import List


def poly(xs: list, x: float):
    """Evaluate."""
    return sum([coeff * math.pow(x, i) for i, coeff in enumerate(xs)])


def find_zero(xs: list):
    """ Find a zero of a polynomial. """
'''
ZERO = """
def find_zero(xs):
    begin, end = -1.0, 1.0
    while poly(xs, begin) * poly(xs, end) > 0:
        begin, end = begin * 2, end * 2
    while end - begin > 1e-10:
        center = (begin + end) / 2
        if poly(xs, center) * poly(xs, begin) > 0:
            begin = center
        else:
            end = center
    return begin
"""
HELPER_TEST = """
def check(candidate):
    import math, random, copy
    rng = random.Random(42)
    for _ in range(20):
        coeffs = [rng.randint(-10, 10) or 1 for _ in range(2 * rng.randint(1, 3))]
        solution = candidate(copy.deepcopy(coeffs))
        assert math.fabs(poly(coeffs, solution)) < 1e-4
"""

# name: (prompt, name of the function, test, program)
HUMANEVAL = {
    "a helper of the prompt": (HELPER_PROMPT, "find_zero", HELPER_TEST, ZERO),
    "a helper of the prompt, wrong": (
        HELPER_PROMPT,
        "find_zero",
        HELPER_TEST,
        "def find_zero(xs): return 0.5",
    ),
    "the program's own helper": (
        "",
        "enc",
        "def check(candidate):\n    for s in ('abc', ''):\n        assert dec(candidate(s)) == s",
        "def enc(s): return s[::-1]\ndef dec(s): return s[::-1]",
    ),
    "the helper is missing": (
        "",
        "enc",
        "def check(candidate):\n    assert dec(candidate('a')) == 'a'",
        "def enc(s): return s",
    ),
    "the entry point's own name": (
        "",
        "f",
        "def check(candidate):\n    assert f(f(1)) == candidate(2)",
        "def f(x): return x + 1",
    ),
    "computed arguments": (
        "",
        "f",
        "def check(candidate):\n    for i in range(50):\n"
        "        assert candidate('x' * i + 'y') == i",
        "def f(s): return len(s) - 1",
    ),
    "None": (
        "",
        "f",
        "def check(candidate):\n    assert abs(candidate([1.0]) - 0) < 1e-6",
        "def f(x): return None",
    ),
    "mutation": (
        "",
        "f",
        "def check(candidate):\n    a = [[3, 1], [2]]\n    b = a[0]\n    candidate(a)\n"
        "    assert a == [[1, 3], [2], 7] and b == [1, 3] and b is a[0]",
        "def f(a):\n    a[0].sort()\n    a.append(7)",
    ),
    "state between calls": (
        "",
        "f",
        "def check(candidate):\n    assert [candidate() for _ in range(3)] == [1, 2, 3]",
        "n = 0\ndef f():\n    global n\n    n += 1\n    return n",
    ),
    "an exception is expected": (
        "",
        "f",
        "def check(candidate):\n    try:\n        candidate(0)\n    except ZeroDivisionError:\n"
        "        pass\n    else:\n        assert False\n    assert candidate(1) == 1",
        "def f(x): return 1 // x",
    ),
    "an exception": (
        "",
        "f",
        "def check(candidate):\n    assert candidate(0) == 1",
        "def f(x): return 1 // x",
    ),
    "a function as argument": (
        "",
        "f",
        "def check(candidate):\n    assert candidate(lambda x: x * 2, [1, 2]) == [2, 4]",
        "def f(g, xs): return [g(x) for x in xs]",
    ),
    "a function as result": (
        "",
        "f",
        "def check(candidate):\n    assert candidate(3)(4) == 7",
        "def f(x): return lambda y: x + y",
    ),
    "a generator": (
        "",
        "f",
        "def check(candidate):\n    assert list(candidate(3)) == [0, 1, 2]",
        "def f(n):\n    yield from range(n)",
    ),
    "a generator is no list": (
        "",
        "f",
        "def check(candidate):\n    assert candidate(3) == [0, 1, 2]",
        "def f(n):\n    yield from range(n)",
    ),
    "an endless one, in part": (
        "",
        "f",
        "def check(candidate):\n    assert [x for x, _ in zip(candidate(), range(3))] == [0, 1, 2]",
        "import itertools\ndef f(): return itertools.count()",
    ),
    "no main": (
        "",
        "f",
        "def check(candidate):\n    assert candidate() == 1",
        "def f(): return 1\nif __name__ == '__main__':\n    raise ValueError(input())",
    ),
    "no contest imports": (
        "",
        "f",
        "def check(candidate):\n    assert candidate() == 2.0",
        "def f(): return math.sqrt(4)",
    ),
    "the prompt's imports": (
        "import math\n\ndef f():\n    '''x'''\n",
        "f",
        "def check(candidate):\n    assert candidate() == 2.0",
        "def f(): return math.sqrt(4)",
    ),
    "threads that stay": (
        "",
        "f",
        "def check(candidate):\n    assert candidate() == 1",
        "import threading, time\ndef f():\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n    return 1",
    ),
    "exit at the top": (
        "",
        "f",
        "def check(candidate):\n    assert candidate() == 1",
        "def f(): return 1\nimport sys\nsys.exit()",
    ),
    "exit in a call": (
        "",
        "f",
        "def check(candidate):\n    assert candidate() == 1",
        "def f(): raise SystemExit(0)",
    ),
}

_CLASS = """class Pair(object):
    def __init__(self, a, b):
        self.a = a
        self.b = b
def f(pairs, n): return max(p.b for p in pairs) - n
"""

# name: (assertions, program)
MBPP = {
    "a class of the program": (["assert f([Pair(5, 24), Pair(15, 25)], 4) == 21"], _CLASS),
    "a function named sum": (
        ["assert sum(10, 15) == 6"],
        "def sum(a, b): return 1 + __builtins__.sum([5]) if 0 else 6",
    ),
    "tuple keys": (
        ["assert f([(1, 2), (1, 2)]) == {(1, 2): 2}"],
        "def f(x):\n    from collections import Counter\n    return Counter(x)",
    ),
    "complex": (["assert f(3, 4) == 3 + 4j"], "def f(a, b): return complex(a, b)"),
    "a match": (
        ["assert f('abc')", "assert not f('x')"],
        "import re\ndef f(s): return re.match('a', s)",
    ),
    "a list for a tuple": (["assert f() == (1, 2)"], "def f(): return [1, 2]"),
    "a tuple": (["assert f() == (1, 2)"], "def f(): return 1, 2"),
    "text for bytes": (["assert f() == b'x'"], "def f(): return 'x'"),
    "bytes": (["assert f() == b'x'"], "def f(): return b'x'"),
    "a close float": (["assert f() == 0.3"], "def f(): return 0.1 + 0.2"),
    "sets": (["assert f([1, 1]) == {1}"], "def f(x): return frozenset(x)"),
    "a list for a set": (["assert f([1, 1]) == {1}"], "def f(x): return [1]"),
    "nan": (["assert f() != f()"], "def f(): return float('nan')"),
    "infinity": (["assert f() == float('inf')"], "def f(): return float('inf')"),
    "a big integer": (["assert f() == 7 ** 9000"], "def f(): return 7 ** 9000"),
    "True for 1": (["assert f() is True"], "def f(): return 1"),
    "a named tuple": (
        ["assert f() == (1, 2)"],
        "from collections import namedtuple\ndef f(): return namedtuple('P', 'a b')(1, 2)",
    ),
    "a default dict": (
        ["assert f() == {1: [2]}"],
        "from collections import defaultdict\ndef f():\n    d = defaultdict(list)\n"
        "    d[1].append(2)\n    return d",
    ),
    "a range": (["assert f() == range(3)"], "def f(): return range(3)"),
    "types": (
        ["assert f(int) == str", "assert type(f(int)) is type"],
        "def f(t): return str if t is int else None",
    ),
    "text of an object": (
        ["assert str(f()) == 'me'", "assert repr(f()) == 'me'"],
        "class A:\n    def __repr__(self): return 'me'\ndef f(): return A()",
    ),
    "two calls at once": (["assert f([1]) + f([2]) == [1, 2]"], "def f(x): return x"),
    "sorted": (["assert sorted(f('ba')) == ['a', 'b']"], "def f(x): return set(x)"),
    "a date": (
        ["import datetime", "assert f(datetime.date(2020, 1, 2)) == datetime.date(2020, 1, 3)"],
        "import datetime\ndef f(day): return day + datetime.timedelta(days=1)",
    ),
    "another day": (
        ["import datetime as d", "assert f() == d.datetime(2020, 1, 2, 3, 4, 5, 6)"],
        "import datetime\ndef f(): return datetime.datetime(2020, 1, 2, 3, 4, 5, 7)",
    ),
    "keys": (["assert f() == {1}", "assert list(f()) == [1]"], "def f(): return {1: 2}.keys()"),
    "keys in their order": (["assert list(f()) == [2, 1]"], "def f(): return {2: 0, 1: 0}.keys()"),
    "values": (["assert list(f()) == [2, 2]"], "def f(): return {1: 2, 3: 2}.values()"),
    "values are no list": (["assert f() == [2]"], "def f(): return {1: 2}.values()"),
    "items": (["assert sorted(f()) == [(1, 2)]"], "def f(): return {1: 2}.items()"),
    "decimal": (["assert f() == 2"], "from decimal import Decimal\ndef f(): return Decimal('2.0')"),
}

# Programs with a name of a builtin that the test uses: as published where that makes the test fail;
# where it alone makes the test pass, the program attacks the test.
SHADOWING = {
    "a range that is empty": ("def range(*b): return ()\ndef f(x): return -1", "wrong_answer"),
    "an abs of nothing": ("def abs(x): return 0\ndef f(x): return -1", "wrong_answer"),
    "a number": ("abs = 5\ndef f(x): return x", "wrong_answer"),
    "as good as Python's": ("def abs(x): return max(x, -x)\ndef f(x): return x", "accepted"),
    "one that the test does not use": ("def sum(): return 0\ndef f(x): return x", "accepted"),
}

# Programs that would be accepted were the channel believed; the right answer is 42.
HOSTILE = {
    "equal to all": "class L:\n    def __eq__(self, o): return True\n    \ndef f(): return L()",
    "a lying number": "class L(int):\n    def __eq__(self, o): return True\n"
    "    def __hash__(self): return 42\ndef f(): return L(41)",
    "a lying list": "class L(list):\n    def __eq__(self, o): return True\ndef f(): return L()",
    "endless": "def f():\n    while True:\n        yield 42",
    "deep": "def f():\n    x = []\n    for _ in range(100000):\n        x = [x]\n    return x",
    "round": "def f():\n    x = []\n    x.append(x)\n    return x",
    "huge text": "class R:\n    def __repr__(self): return 'x' * (1 << 28)\ndef f(): return R()",
    "huge value": "def f(): return 'x' * (100 << 20)",
    "garbage": "import os\ndef f():\n    os.write(3, b'\\x00\\x00\\x00\\x05hello')\n    return 42",
    "endless garbage": "import os\ndef f():\n    os.write(3, b'\\xff' * 1000)\n    return 42",
    "a pickle": "import os\ndef f():\n    d = b'cos\\nsystem\\n(S\\'true\\'\\ntR.'\n"
    "    os.write(3, len(d).to_bytes(4, 'big') + d)\n    return 42",
    "a deep message": "import os\ndef f():\n    d = b'[' * 100000\n"
    "    os.write(3, len(d).to_bytes(4, 'big') + d)\n    return 42",
    "asks the test": "import os, json\ndef f():\n"
    "    d = json.dumps(['?', 'attr', '[\"h\", \"theirs\", 0]', '\"__globals__\"']).encode()\n"
    "    os.write(3, len(d).to_bytes(4, 'big') + d)\n    return 42",
    "forges what was lent": "import os, json\ndef f():\n"
    "    d = json.dumps(['=', '[\"h\", \"theirs\", 99]']).encode()\n"
    "    os.write(3, len(d).to_bytes(4, 'big') + d)\n    return 42",
    "forges an exception": "import os, json\ndef f():\n"
    "    d = json.dumps(['!', 'print', 'passed']).encode()\n"
    "    os.write(3, len(d).to_bytes(4, 'big') + d)\n    return 42",
    "writes a result": "import os\ndef f():\n    for n in range(3, 64):\n        try:\n"
    '            os.write(n, b\'called\\n["passed", ""]\\n\')\n        except OSError: pass\n'
    "    return 41",
    "exit": "import os\ndef f(): os._exit(0)",
    "exit at once": "import os\nos._exit(0)",
    "closes the channel": "import os\ndef f():\n    os.close(3)\n    return 42",
    "a thread that forges": "import os, json, threading, time\ndef g():\n"
    "    d = json.dumps(['!', 'AssertionError', '']).encode()\n"
    "    os.write(3, len(d).to_bytes(4, 'big') + d)\n"
    "def f():\n    threading.Thread(target=g).start()\n    time.sleep(.2)\n    return 42",
    "looks for the test": "import gc, sys\ndef f():\n"
    "    return [o for o in gc.get_objects() if isinstance(o, dict) and 'candidate' in o][0]",
}
