"""May one process run all tests of a program, one after another, without changing a verdict?

Only if a test can leave nothing behind for the next. That is so for a program that uses nothing
but values of its own and a few modules without state: every name in it must be one that it defines
itself or one known to be harmless. Most contest programs are like that; any other gets a process a
test, and so does one of these whenever anything but a row of right answers comes out.
"""

import sys

_MODULES = ("math", "collections", "heapq", "bisect", "itertools", "functools", "string", "re")
_TYPING = (
    "typing Any Callable DefaultDict Deque Dict Iterable Iterator List Optional Set Tuple Union"
)
_MATCHING = "group groups start end span search match fullmatch findall finditer sub split pattern"
_BUILTINS = (
    "abs all any ascii bin bool bytearray bytes chr dict divmod enumerate filter float format "
    "frozenset hash hex input int isinstance issubclass iter len list map max min next object oct "
    "ord pow print range repr reversed round set slice sorted str sum super tuple type zip "
    "ArithmeticError AssertionError EOFError Exception IndexError KeyError LookupError "
    "OverflowError RecursionError StopIteration TypeError ValueError ZeroDivisionError "
    "__name__ __build_class__ __module__ __qualname__ __annotations__ "
    "__firstlineno__ __static_attributes__"  # of a class, from Python 3.13 on
)
_SPECIAL = """
    __init__ __lt__ __gt__ __le__ __ge__ __eq__ __ne__ __hash__ __add__ __sub__ __mul__ __len__
    __getitem__ __setitem__ __contains__ __iter__ __next__ __call__ __repr__ __str__ __doc__
    __slots__
"""
_SYS = "sys stdin stdout stderr buffer read readline readlines write writelines flush exit "
_SYS += "setrecursionlimit maxsize"


def harmless_names() -> frozenset[str]:
    """Return the names that a program may use without defining them."""
    names = set(_MODULES)
    for text in (_BUILTINS, _SYS, _TYPING, _MATCHING, _SPECIAL):
        names.update(text.split())
    for kind in (str, bytes, bytearray, list, dict, set, frozenset, tuple, int, float, complex):
        names.update(name for name in dir(kind) if name[0] != "_")
    for module in _MODULES:
        if module in sys.modules:
            for name, value in vars(sys.modules[module]).items():
                if name[0] != "_" and not isinstance(value, type(sys)):
                    names.add(name)
                    if isinstance(value, type):
                        names.update(below for below in dir(value) if below[0] != "_")
    return frozenset(names - {"setitem", "wraps", "update_wrapper"})


def keeps_to_itself(code, harmless: frozenset[str], opcodes: dict[str, int]) -> bool:
    """Whether a compiled program can be seen to leave nothing behind but its own module."""
    used: set[str] = set()
    own: set[str] = set()
    store, delete, take = (opcodes[name] for name in ("STORE_ATTR", "DELETE_ATTR", "IMPORT_NAME"))
    naming = {store, delete, take, opcodes["STORE_NAME"], opcodes["STORE_GLOBAL"]}
    waiting = [code]
    while waiting:
        part = waiting.pop()
        used.update(part.co_names)
        own.update(part.co_varnames)
        own.update(part.co_cellvars)
        if len(part.co_names) > 255:
            return False  # operands would be spread over instructions
        found: dict[int, set[str]] = {}
        for operation, operand in zip(part.co_code[::2], part.co_code[1::2], strict=True):
            if operation in naming:
                found.setdefault(operation, set()).add(part.co_names[operand])
        own.update(*found.values())
        # Attributes may be set on the program's own objects only, known by the name `self`.
        if (store in found or delete in found) and part.co_varnames[:1] != ("self",):
            return False
        if not found.get(take, set()) <= _IMPORTABLE:
            return False
        for constant in part.co_consts:
            if hasattr(constant, "co_code"):
                own.add(constant.co_name)
                waiting.append(constant)
    # One by one: a union of the sets would copy pages of the long one.
    return all(name in harmless or (name in own and name[:2] != "__") for name in used)


_IMPORTABLE = frozenset((*_MODULES, "sys", "typing"))
