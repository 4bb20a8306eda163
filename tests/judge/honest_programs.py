"""Right programs as people write them, each with a problem that it solves."""

import sys


def problem(*tests, **more) -> dict:
    return {
        "id": "p",
        "function_name": None,
        "tests": [{"input": given, "expected": expected} for given, expected in tests],
        "time_limit_s": 2.0,
        "memory_limit_mb": 256,
        **more,
    }


ECHO = problem(("1\n2 3\nend", "1\n2 3\nend\n"), ("x\r\ny\r\n", "x\ny\n"), ("ä€𝄞\n", "ä€𝄞\n"))
SUM = problem(("3\n1 2 3\n", "6\n"), ("1\n5", "5"), ("2\n1 1\n", "2"))
FLOATS = problem(("1 3\n", "0.333333"), ("2 4\n", "0.5"))
READS_LINES = problem(("2\n1\n2\n", "3"), ("1\n7\n", "7"))
DEEP = problem(("100000\n", "100000"))

STDIN = {
    "iterates stdin": (
        "import sys\nlines = [line for line in sys.stdin]\nprint(sum(map(int, lines[1:])))",
        READS_LINES,
    ),
    "writes to the buffer": (
        "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())",
        ECHO,
    ),
    "readline of the buffer, twice": (
        "import sys\nread = sys.stdin.buffer.readline\nn = int(read())\n"
        "print(sum(map(int, read().split())))",
        SUM,
    ),
    "input mixed with read": (
        "import sys\nn = int(input())\nprint(sum(map(int, sys.stdin.read().split())))",
        SUM,
    ),
    "open(0)": ("n, *rest = map(int, open(0).read().split())\nprint(sum(rest))", SUM),
    "open(0) in bytes": ("n, *r = open(0, 'rb').read().split()\nprint(sum(map(int, r)))", SUM),
    "os.read": ("import os\nn, *r = os.read(0, 10**6).split()\nprint(sum(map(int, r)))", SUM),
    "global": (
        "total = 0\ndef add(x):\n    global total\n    total += x\n"
        "def main():\n    input()\n    for x in map(int, input().split()): add(x)\n"
        "    print(total)\nmain()",
        SUM,
    ),
    "main guard": (
        "def main():\n    input()\n    print(sum(map(int, input().split())))\n"
        "if __name__ == '__main__':\n    main()",
        SUM,
    ),
    "sys.exit": ("import sys\ninput()\nprint(sum(map(int, input().split())))\nsys.exit()", SUM),
    "sys.exit(0) in a function": (
        "import sys\ndef f():\n    input()\n    print(sum(map(int, input().split())))\n"
        "    sys.exit(0)\nf()\nprint('never')",
        SUM,
    ),
    "exit()": ("input()\nprint(sum(map(int, input().split())))\nexit()", SUM),
    "os._exit after a flush": (
        "import os\ninput()\nprint(sum(map(int, input().split())), flush=True)\nos._exit(0)",
        SUM,
    ),
    "atexit": (
        "import atexit\nout = []\natexit.register(lambda: print(*out))\ninput()\n"
        "out.append(sum(map(int, input().split())))",
        SUM,
    ),
    "a class with state": (
        "class T:\n    seen = []\n    def __init__(self):\n        self.total = 0\n"
        "t = T()\ninput()\nfor x in input().split():\n    t.total += int(x)\n    T.seen.append(x)\n"
        "print(t.total)\nassert len(T.seen) < 4",
        SUM,
    ),
    "cache": (
        "from functools import lru_cache\n@lru_cache(None)\ndef f(i): return a[i] + f(i + 1)"
        " if i < len(a) else 0\ninput()\na = [*map(int, input().split())]\nprint(f(0))",
        SUM,
    ),
    "standard modules": (
        "import sys, math, re, json, random, decimal, fractions, heapq, bisect, collections\n"
        "import itertools, functools, string, datetime, time, copy, operator, statistics, typing\n"
        "import queue, array, dataclasses, enum, threading, asyncio, hashlib, zlib, ctypes\n"
        "input()\nprint(sum(map(int, input().split())))",
        SUM,
    ),
    "asyncio": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    input()\n"
        "    print(sum(map(int, input().split())))\nasyncio.run(f())",
        SUM,
    ),
    "a thread with a larger stack": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 27)\n"
        "def f(n): return n and 1 + f(n - 1)\n"
        "t = threading.Thread(target=lambda: print(f(int(input()))))\nt.start()\nt.join()",
        DEEP,
    ),
    "a thread of the usual size": (
        "import threading\nt = threading.Thread(target=lambda: print(input()))\nt.start()",
        DEEP,
    ),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\n"
        "print(f(int(input())))",
        DEEP,
    ),
    "deep recursion through C": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "def f(n): return 0 if n == 0 else 1 + max(map(f, [n - 1]))\nprint(5 * f(20000))\n"
        "input()",
        DEEP,
    ),
    "raises the stack limit": (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (1 << 29, resource.RLIM_INFINITY))\n"
        "input()\nprint(sum(map(int, input().split())))",
        SUM,
    ),
    "every print flushed": (
        "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)",
        ECHO,
    ),
    "no newline at the end": ("import sys\nsys.stdout.write(sys.stdin.read().rstrip())", ECHO),
    "decimals": ("a, b = map(int, input().split())\nprint('%.9f' % (a / b))", FLOATS),
    "reads to the end by exception": (
        "t = []\ntry:\n    while True: t.append(input())\nexcept EOFError: pass\n"
        "print(sum(map(int, ' '.join(t[1:]).split())))",
        SUM,
    ),
    "prints to stderr": (
        "import sys\ninput()\nprint('debug', file=sys.stderr)\n"
        "print(sum(map(int, input().split())))",
        SUM,
    ),
    "replaces stdin and stdout": (
        "import io, sys\nsys.stdin = io.StringIO(sys.stdin.read())\nout = io.StringIO()\n"
        "sys.stdout, real = out, sys.stdout\ninput()\nprint(sum(map(int, input().split())))\n"
        "real.write(out.getvalue())",
        SUM,
    ),
    "a writer of its own, left open": (
        "out = open(1, 'w')\ninput()\nprint(sum(map(int, input().split())), file=out)",
        SUM,
    ),
    "prints in __del__": (
        "class A:\n    def __init__(self, x): self.x = x\n    def __del__(self): print(self.x)\n"
        "input()\na = A(sum(map(int, input().split())))",
        SUM,
    ),
    "the usual fast output": (
        "import os, sys\nfrom io import BytesIO, IOBase\nclass FastIO(IOBase):\n"
        "    def __init__(self, file):\n        self._fd = file.fileno()\n"
        "        self.buffer = BytesIO()\n        self.write = self.buffer.write\n"
        "    def flush(self):\n        os.write(self._fd, self.buffer.getvalue())\n"
        "        self.buffer.truncate(0), self.buffer.seek(0)\n"
        "class IOWrapper(IOBase):\n    def __init__(self, file):\n"
        "        self.buffer = FastIO(file)\n        self.flush = self.buffer.flush\n"
        "        self.write = lambda s: self.buffer.write(s.encode('ascii'))\n"
        "sys.stdout = IOWrapper(sys.stdout)\ninput()\n"
        "print(sum(map(int, input().split())))",
        SUM,
    ),
    "a fast reader": (
        "import io, os, sys\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
        "input()\nsys.stdout.write(str(sum(map(int, input().split()))))",
        SUM,
    ),
    "several megabytes": (
        "import sys\nd = sys.stdin.read()\nsys.stdout.write(d)",
        problem(("1234567\n" * 500_000, "1234567\n" * 500_000)),
    ),
    "many tests": (
        "print(int(input()) ** 2)",
        problem(*((f"{n}\n", f"{n * n}\n") for n in range(40))),
    ),
    "windows line ends in the source": (
        "input()\r\nprint(sum(map(int, input().split())))\r\n",
        SUM,
    ),
    "an encoding line": (
        "# -*- coding: utf-8 -*-\ninput()\nprint(sum(map(int, input().split())))",
        SUM,
    ),
}


if sys.version_info >= (3, 12):
    # The interpreter itself counts C calls since, and ends it by an exception.
    del STDIN["deep recursion through C"]
