"""The little of numpy that EvalPlus's assertions ask for, where a test's jail has no numpy."""

import sys
from math import inf, isinf, isnan
from types import ModuleType


def offer() -> None:
    """Let `import numpy` find it, unless numpy itself can be found."""
    try:
        import numpy  # noqa: F401
    except ImportError:
        module = ModuleType("numpy")
        module.ndarray, module.float64, module.float32 = (), float, float
        module.inf, module.nan = inf, float("nan")
        module.allclose = allclose
        module.testing = ModuleType("numpy.testing")
        module.testing.assert_allclose = assert_allclose
        sys.modules["numpy"], sys.modules["numpy.testing"] = module, module.testing


def allclose(a, b, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Tell whether numbers, or nested sequences of one shape, are close, as numpy does.

    A lone number is held against each of a sequence. TypeError for what is no number.
    """
    if isinstance(a, list | tuple) or isinstance(b, list | tuple):
        sequence = len(a) if isinstance(a, list | tuple) else len(b)
        left = list(a) if isinstance(a, list | tuple) else [a] * sequence
        right = list(b) if isinstance(b, list | tuple) else [b] * sequence
        if len(left) == 1:
            left *= len(right)
        if len(right) == 1:
            right *= len(left)
        if len(left) != len(right):
            raise ValueError("the shapes differ")
        return all(allclose(*pair, rtol, atol, equal_nan) for pair in zip(left, right, strict=True))
    for value in (a, b):
        if not isinstance(value, int | float | complex):
            raise TypeError(f"a value of type {type(value).__name__} is no number")
    if a == b:
        return True
    if isinstance(a, complex) or isinstance(b, complex):
        return abs(a - b) <= atol + rtol * abs(b)
    if isnan(a) or isnan(b):
        return equal_nan and isnan(a) and isnan(b)
    if isinf(a) or isinf(b):
        return False
    return abs(a - b) <= atol + rtol * abs(b)


def assert_allclose(actual, desired, rtol: float = 1e-07, atol: float = 0, equal_nan=True) -> None:
    """Raise AssertionError unless they are close; also where their shapes differ."""
    try:
        close = allclose(actual, desired, rtol, atol, equal_nan)
    except ValueError as error:
        raise AssertionError(str(error)) from None
    if not close:
        raise AssertionError(f"not within {atol} + {rtol} relative")
