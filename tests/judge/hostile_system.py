"""Hostile to the machine: processes, memory, files, network, kernel, signals, time."""

import sys

from hostile_case import Case, attempt, refused_calls

SYSTEM = [
    # processes and threads
    Case("fork bomb", "import os\nwhile True: os.fork()", "runtime_error"),
    Case(
        "fork bomb that goes on",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "time_limit",
    ),
    Case("vfork by C", refused_calls("results = [libc.vfork()]"), "accepted"),
    Case("subprocess", "import subprocess\nsubprocess.Popen(['/bin/sh'])", "runtime_error"),
    Case(
        "multiprocessing",
        "import multiprocessing as m\np = m.Process(target=print)\np.start()\np.join()",
        "runtime_error",
    ),
    Case(
        "thread bomb",
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
        "runtime_error",
    ),
    Case(
        "busy threads",
        "import threading\n"
        "def spin():\n    while True: pass\n"
        "for _ in range(20): threading.Thread(target=spin).start()",
        "time_limit",
    ),
    Case(
        "daemonise and outlive",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(999)",
        "runtime_error",
    ),
    Case("new session", attempt("import os\nos.setsid()"), "accepted"),
    Case("exec", "import os, sys\nos.execv('/bin/sh', ['sh'])", "runtime_error"),
    Case(
        "exec the interpreter",
        attempt("import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'print(1)'])"),
        "accepted",
    ),
    # memory
    Case("memory at once", "x = bytearray(1 << 40)", "memory_limit"),
    Case("memory in small steps", "a = []\nwhile True: a.append('x' * 9999)", "memory_limit"),
    Case(
        "memory, and no error is heeded",
        "a = []\nwhile True:\n    try: a.append(bytearray(1 << 20))\n    except MemoryError: pass",
        "memory_limit",
    ),
    Case(
        "memory over the limit, given back",
        "x = bytearray(200 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\ndel x\nprint('safe')",
        "memory_limit",
    ),
    Case(
        "shared memory",
        "import mmap\nm = mmap.mmap(-1, 200 << 20)\n"
        "for i in range(0, 200 << 20, 4096): m[i] = 1\nprint('safe')",
        "memory_limit",
    ),
    Case("memory of a file", attempt("import os\nos.memfd_create('x')"), "accepted"),
    Case(
        "a small file that unpacks into a large one",
        "import gzip\nsmall = gzip.compress(bytes(1 << 20)) * 900\n"
        "print(len(gzip.decompress(small)))",
        "memory_limit",
    ),
    Case(
        "C stack overflow",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return sorted([x], key=f)\nf(1)",
        # Since 3.12 the interpreter counts C calls and raises an exception in time.
        "memory_limit" if sys.version_info < (3, 12) else "runtime_error",
    ),
    # files
    Case(
        "fill the working folder",
        "import os\ntry:\n    i = 0\n    while True:\n        i += 1\n"
        "        with open('/tmp/%d' % i, 'wb') as f: f.write(bytes(1 << 19))\n"
        "except OSError: print('safe' if i < 64 else 'LEAK')",
        "accepted",
    ),
    Case(
        "many files",
        "import os\ntry:\n    i = 0\n    while True:\n        i += 1\n"
        "        open('/tmp/%d' % i, 'w').close()\n"
        "except OSError: print('safe' if i < 5000 else 'LEAK')",
        "accepted",
    ),
    Case(
        "deep folders",
        "import os\ntry:\n    for _ in range(3000):\n        os.mkdir('d', 0o700)\n"
        "        os.chdir('d')\nexcept OSError: pass\nprint('safe')",
        "accepted",
    ),
    Case(
        "a folder that nobody may list",
        "import os\ntry:\n    os.mkdir('/tmp/x')\n    os.chmod('/tmp/x', 0)\n"
        "    os.chmod('/tmp', 0)\nexcept OSError: pass\nprint('safe')",
        "accepted",
    ),
    Case(
        "one huge file",
        attempt("f = open('/tmp/x', 'wb')\nf.truncate(1 << 40)\nf.close()"),
        "accepted",
    ),
    Case(
        "write everywhere",
        "import os\nhit = []\n"
        "for d in ('/', '/etc', '/usr', '/usr/lib', '/root', '/home', '/var/tmp', '/dev',\n"
        "          '/dev/shm', '{folder}', os.path.dirname(os.__file__)):\n"
        "    try: open(d + '/judged-was-here', 'w').close(); hit.append(d)\n"
        "    except OSError: pass\nprint(hit or 'safe')",
        "accepted",
    ),
    Case(
        "change and remove what is there",
        "import os\nhit = []\n"
        "for f in (os.chmod, os.utime, os.unlink, os.truncate):\n"
        "    for p in ('{secret}', os.__file__):\n"
        "        try: f(p, 0) if f in (os.chmod, os.truncate) else f(p); hit.append(p)\n"
        "        except OSError: pass\nprint(hit or 'safe')",
        "accepted",
    ),
    Case("read the password file", attempt("print(open('/etc/shadow').read())"), "accepted"),
    Case("read the list of users", attempt("print(open('/etc/passwd').read())"), "accepted"),
    Case("read a secret", attempt("print(open('{secret}').read())"), "accepted"),
    Case("list the secret's folder", attempt("import os\nos.listdir('{folder}')"), "accepted"),
    Case(
        "read the judge",
        attempt("print(open('{judge}').read())"),
        "accepted",
    ),
    Case("import the judge", attempt("import valley", "ImportError"), "accepted"),
    Case(
        "files of installed packages",
        "import os\nd = os.path.dirname(os.__file__)\nhit = []\n"
        "for p in (d + '/site-packages', d + '/dist-packages', '{packages}'):\n"
        "    try: hit += os.listdir(p)\n    except OSError: pass\nprint(hit or 'safe')",
        "accepted",
    ),
    Case("installed packages", attempt("import pyarrow", "ImportError"), "accepted"),
    Case(
        "a link to a secret",
        attempt("import os\nos.symlink('{secret}', '/tmp/l')\nopen('/tmp/l').read()"),
        "accepted",
    ),
    Case("a hard link", attempt("import os\nos.link(os.__file__, '/tmp/l')"), "accepted"),
    Case(
        "climb out",
        "import os\nfor _ in range(40): os.chdir('..')\n"
        + attempt("open(('../' * 40) + '{secret}'.lstrip('/')).read()"),
        "accepted",
    ),
    Case(
        "process files",
        "import os\nhit = []\n"
        "for p in ('/proc/self/maps', '/proc/1/environ', '/proc/self/environ', '/proc/mounts',\n"
        "          '/proc/%d/mem' % os.getppid(), '/sys/kernel/notes', '/dev/mem', '/dev/vda'):\n"
        "    try: open(p, 'rb').read(1); hit.append(p)\n"
        "    except OSError: pass\nprint(hit or 'safe')",
        "accepted",
    ),
    Case(
        "shared memory files",
        attempt(
            "from multiprocessing import shared_memory\n"
            "shared_memory.SharedMemory(create=True, size=99)"
        ),
        "accepted",
    ),
    Case(
        "the next test's memory",
        "import os\ntry:\n    known = os.path.exists('/tmp/kept') or 'kept' in os.environ\n"
        "    open('/tmp/kept', 'w').close()\nexcept OSError: pass\n"
        "os.environ['kept'] = '1'\nprint('LEAK' if known else 'safe')",
        "accepted",
    ),
    # network
    Case(
        "sockets",
        "import socket\nhit = []\nfor f in (1, 2, 10, 16, 17, 40):\n"
        "    for t in (1, 2, 3):\n"
        "        try: socket.socket(f, t); hit.append((f, t))\n"
        "        except OSError: pass\nprint(hit or 'safe')",
        "accepted",
    ),
    Case("datagram pair", attempt("import socket\nsocket.socketpair(1, 2)"), "accepted"),
    Case("name lookup", attempt("import socket\nsocket.gethostbyname('localhost.')"), "accepted"),
    Case(
        "a web page",
        attempt("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/')"),
        "accepted",
    ),
    # the kernel
    Case(
        "trace the parent",
        refused_calls("results = [libc.ptrace(16, os.getppid(), 0, 0), libc.ptrace(0, 0, 0, 0)]"),
        "accepted",
    ),
    Case(
        "read the parent's memory",
        refused_calls(
            "b = ctypes.create_string_buffer(8)\n"
            "v = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8)\n"
            "results = [libc.process_vm_readv(os.getppid(), v, 1, v, 1, 0)]"
        ),
        "accepted",
    ),
    Case(
        "mount",
        refused_calls(
            "results = [libc.mount(b'x', b'/tmp', b'tmpfs', 0, None), libc.umount2(b'/tmp', 2),\n"
            "           libc.mount(b'x', b'/tmp', b'proc', 0, None)]"
        ),
        "accepted",
    ),
    Case(
        "namespaces of its own",
        refused_calls(
            "results = [libc.unshare(f) for f in (0x10000000, 0x20000, 0x20000000, 0x40000000)]"
        ),
        "accepted",
    ),
    Case(
        "another root",
        refused_calls(
            "results = [libc.chroot(b'/tmp'), libc.syscall(155, b'/tmp', b'/tmp'),\n"
            "           libc.setns(0, 0), libc.sethostname(b'x', 1)]"
        ),
        "accepted",
    ),
    Case(
        "another user",
        refused_calls(
            "results = [libc.setuid(0), libc.setresuid(1, 1, 1), libc.setgid(0),\n"
            "           libc.setgroups(0, None)]"
        ),
        "accepted",
    ),
    Case(
        "rare calls",
        refused_calls(
            "b = ctypes.create_string_buffer(256)\n"
            "results = [libc.syscall(n, b, b, 1, 0, 0) for n in\n"
            "           (425, 321, 298, 323, 248, 250, 304, 303, 310, 246, 175, 313, 434, 438,\n"
            "            272, 308, 165, 428, 442, 29, 68, 240, 206, 154, 135, 999)]"
        ),
        "accepted",
    ),
    Case(
        "the other call table",
        refused_calls("results = [libc.syscall(0x40000000 + n, 0, 0, 0) for n in (39, 57, 41)]"),
        "accepted",
    ),
    Case(
        "32-bit calls by machine code",
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\n"
        "m.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))\n"
        "a = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
        "print('LEAK', ctypes.CFUNCTYPE(ctypes.c_int)(a)())",
        "runtime_error",
    ),
    Case(
        "type on the terminal",
        attempt("import fcntl\nfcntl.ioctl(0, 0x5412, b'x')"),
        "accepted",
    ),
    Case(
        "more than the limits",
        "import resource\nhit = []\n"
        "for k in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE,\n"
        "          resource.RLIMIT_NOFILE):\n"
        "    try: resource.setrlimit(k, (-1, -1)); hit.append(k)\n"
        "    except (ValueError, OSError): pass\nprint(hit or 'safe')",
        "accepted",
    ),
    Case(
        "another's limits",
        attempt("import os, resource as r\nr.prlimit(os.getppid(), 7, (0, 0))"),
        "accepted",
    ),
    Case("priority", attempt("import os\nos.nice(-5)"), "accepted"),
    Case("processors", attempt("import os\nos.sched_setaffinity(0, {0})"), "accepted"),
    # signals and time
    Case("loop", "while True: pass", "time_limit"),
    Case("loop in C", "import itertools\nsum(itertools.repeat(1))", "time_limit"),
    Case("huge power", "print(len(str(10 ** 10 ** 9)))", "time_limit"),
    Case("regex bomb", "import re\nre.match('(a+)+$', 'a' * 99 + 'b')", "time_limit"),
    Case("sleep", "import time\ntime.sleep(999)", "time_limit"),
    Case("stop itself", "import os\nos.kill(os.getpid(), 19)", "time_limit"),
    Case(
        "deadlock", "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()", "time_limit"
    ),
    Case(
        "deaf to every signal",
        "import signal\nfor s in range(1, 65):\n"
        "    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        "time_limit",
    ),
    Case(
        "swallows everything",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "time_limit",
    ),
    Case(
        "never leaves",
        "import atexit\ndef f():\n    while True: pass\natexit.register(f)",
        "time_limit",
    ),
    Case(
        "a thread that stays",
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\nprint('safe')",
        "time_limit",
    ),
    Case("kill the parent", "import os\nos.kill(os.getppid(), 9)", "runtime_error"),
    Case("kill the group", "import os\nos.kill(0, 9)", "runtime_error"),
    Case("kill all", "import os\nos.kill(-1, 9)", "runtime_error"),
    Case("kill itself", "import os\nos.kill(os.getpid(), 9)", "runtime_error"),
    Case(
        "kill anyone",
        "import os\nhit = []\nfor p in range(1, 33000):\n    if p != os.getpid():\n"
        "        try: os.kill(p, 9); hit.append(p)\n        except OSError: pass\n"
        "print(hit or 'safe')",
        "accepted",
    ),
]
