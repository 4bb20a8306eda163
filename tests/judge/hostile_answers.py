"""Hostile to the verdict: output, source, returned values, a search for the right answer."""

from hostile_case import Case, attempt

OUTPUT = [
    # output
    Case("endless output", "while True: print('x' * 999)", "output_limit"),
    Case(
        "endless errors",
        "import sys\nwhile True: print('x' * 999, file=sys.stderr)",
        "output_limit",
    ),
    Case("output just under the limit", "print('x' * ((1 << 20) - 1))", "wrong_answer"),
    Case("output just over the limit", "print('x' * (1 << 20))", "output_limit"),
    Case(
        "output far away", "import os\nos.lseek(1, 1 << 40, 0)\nos.write(1, b'x')", "runtime_error"
    ),
    Case("stretched output", "import os\nos.ftruncate(1, 1 << 40)", "runtime_error"),
    Case("closed output", "import os\nos.close(1)\nprint('safe')", "runtime_error"),
    Case("output into the input", "import os\nos.dup2(0, 1)\nprint('safe')", "runtime_error"),
    Case("change the input", attempt("import os\nos.ftruncate(0, 0)"), "accepted"),
    Case("not UTF-8", "import os\nos.write(1, bytes(range(256)))", "wrong_answer"),
    Case("a forged verdict", "print('accepted')\nprint('ran 0 - 0 0 0 1 0')", "wrong_answer"),
    Case(
        "a forged verdict on every descriptor",
        "import os\nhit = []\nfor d in range(3, 70000):\n"
        "    try: os.write(d, b'ran 0 - 0.0 0.0 1 1 0'); hit.append(d)\n"
        "    except OSError: pass\nprint(hit or 'safe')",
        "accepted",
    ),
    # looking around
    Case(
        "inherited environment",
        "import os\nprint('LEAK' if 'JUDGE_TEST_SECRET' in os.environ else 'safe')",
        "accepted",
    ),
    Case("crash", "import ctypes\nctypes.string_at(0)", "runtime_error"),
    # source
    Case("null byte", "print(1)\0", "compile_error"),
    Case("50 MB of source", "#" * (50 << 20), "compile_error"),
    Case("deep brackets", "(" * 100_000, "compile_error"),
    Case("deep signs", "-" * 300_000 + "1", "compile_error"),
    Case("long sum", "x = " + "+".join(["1"] * 200_000), "compile_error"),
    Case("half a character", "print('\ud800')", "compile_error"),
    Case("unknown encoding", "# coding: klingon\nprint(1)", "compile_error"),
]

FUNCTIONS = [
    Case("exit while imported", "import sys\nsys.exit(0)", "runtime_error", function=True),
    Case(
        "exit in C while called", "import os\ndef f(x): os._exit(0)", "runtime_error", function=True
    ),
    Case(
        "equal to everything",
        "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()",
        "runtime_error",
        function=True,
    ),
    Case(
        "a list equal to everything",
        "class A(list):\n    def __eq__(self, o): return True\ndef f(x): return A([1])",
        "wrong_answer",
        function=True,
    ),
    Case(
        "a number that shows another",
        "class A(int):\n    def __repr__(self): return '6'\n    __str__ = __repr__\n"
        "def f(x): return A(5)",
        "wrong_answer",
        function=True,
    ),
    Case(
        "patched json",
        "import json\njson.dumps = json.JSONEncoder.encode = lambda *a, **k: '6'\n"
        "def f(x): return 5",
        "wrong_answer",
        function=True,
    ),
    Case(
        "returns itself",
        "def f(x):\n    a = []\n    a.append(a)\n    return a",
        "runtime_error",
        function=True,
    ),
    Case(
        "deep value",
        "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
        "runtime_error",
        function=True,
    ),
    Case("huge number", "def f(x): return 10 ** 20000", "wrong_answer", function=True),
    Case("not a number", "def f(x): return float('nan')", "wrong_answer", function=True),
    Case(
        "a forged result",
        "import os\ndef f(x):\n    os.write(3, b'5')\n    os._exit(0)",
        "wrong_answer",
        function=True,
    ),
    Case(
        "rubbish as result",
        "import os\ndef f(x):\n    os.write(3, b'[' * 9999)\n    os._exit(0)",
        "wrong_answer",
        function=True,
    ),
    Case("endless value", "def f(x): return list(range(10**6))", "output_limit", function=True),
    Case("no such function", "def g(x): return 6", "runtime_error", function=True),
]

SEARCH = "import re\npattern = re.compile(rb'expected-[0-9a-f]{24}')\nfound = set()\n"
SEARCHES = [
    Case(
        "search all objects",
        SEARCH + "import gc, sys\nframe = sys._getframe()\n"
        "while frame:\n    for o in (frame.f_locals, frame.f_globals):\n"
        "        found.update(pattern.findall(repr(o).encode()))\n    frame = frame.f_back\n"
        "for o in gc.get_objects():\n    if type(o) in (dict, list, tuple, set):\n"
        "        found.update(pattern.findall(repr(o)[:10**6].encode()))\n"
        "print(*[f.decode() for f in found] or ['safe'])",
        "wrong_answer",
    ),
    Case(
        "search the memory",
        SEARCH + "import ctypes, gc\nlibc = ctypes.CDLL(None)\n"
        "libc.sbrk.restype = ctypes.c_void_p\nparts = [(libc.sbrk(0) - (1 << 20), 1 << 20)]\n"
        "seen = gc.get_objects()\nseen += gc.get_referents(*seen)\n"
        "parts += [(a << 12, 1 << 12) for a in {id(o) >> 12 for o in seen}]\n"
        "for start, size in parts:\n    data = ctypes.string_at(start, size)\n"
        "    found.update(pattern.findall(data))\n"
        "print(*[f.decode() for f in found] or ['safe'])",
        "wrong_answer",
    ),
    Case(
        "search the open files",
        SEARCH + "import os\nfor d in range(70000):\n    for read in (os.read, os.pread):\n"
        "        try: data = read(d, 1 << 20, *([0] * (read is os.pread)))\n"
        "        except OSError: continue\n        found.update(pattern.findall(data))\n"
        "print(*[f.decode() for f in found] or ['safe'])",
        "wrong_answer",
    ),
]
