"""The sandboxes that one worker needs, each started when it is first used."""

from valley.judging.packages import Packages
from valley.judging.sandbox import Program, Refused, Sandbox, SandboxError
from valley.judging.verdicts import Limits

_HEAVY = ("numpy",)
_TESTS_A_KEEPER = 200  # its forks count as its own processor time, which is limited


class SandboxPool:
    """For plain programs, call-based ones, and the checkers and published tests beside them."""

    def __init__(
        self, tier: str, interpreter: str | None = None, packages: Packages | None = None
    ) -> None:
        self.plain = Sandbox(tier, False, interpreter, packages)
        self.calling = Sandbox(tier, True, interpreter, packages)
        self.checking = Sandbox(tier, True, interpreter, packages)
        self.testing = Sandbox(tier, True, interpreter, packages)
        # Importing numpy takes as long as ten programs do; these have it, for those that name it.
        self._numeric = {
            functions: Sandbox(tier, functions, interpreter, packages, preload=_HEAVY)
            for functions in (False, True)
        }
        self._has_heavy = packages is not None and set(_HEAVY) <= set(packages.modules)
        self._all = (self.plain, self.calling, self.checking, self.testing, *self._numeric.values())
        self._tester: tuple[Program, Limits] | None = None
        self._tests = 0

    def __enter__(self) -> "SandboxPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """End all of them at once, from another thread."""
        for box in self._all:
            box.kill()

    def stop(self) -> None:
        """End all of them; the next use starts them anew."""
        self._tester = None
        for box in self._all:
            box.stop()

    def of(self, source: bytes, functions: bool) -> Sandbox:
        """Return the sandbox for a program, plain or called."""
        if self._has_heavy and any(name.encode() in source for name in _HEAVY):
            return self._numeric[functions]
        return self.calling if functions else self.plain

    def tester(self, limits: Limits) -> Program:
        """Return what published tests run in: one keeper for many, as tests are not programs."""
        if self._tester is not None and self._tester[1] == limits and self._tests:
            self._tests -= 1
            return self._tester[0]
        if self._tester is not None:
            self._tester[0].end()
        self.testing.start()
        program = Program(self.testing, b"", limits, None, "test")
        refused: Refused | None = program.start()
        if refused is not None:
            raise SandboxError(f"no process for tests: {refused.reason}")
        self._tester, self._tests = (program, limits), _TESTS_A_KEEPER
        return program
