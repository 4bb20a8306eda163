"""The sandboxes that one worker needs, each started when it is first used."""

from valley.judging.sandbox import Program, Refused, Sandbox, SandboxError
from valley.judging.verdicts import Limits

_TESTS_A_KEEPER = 200  # its forks count as its own processor time, which is limited


class Boxes:
    """For plain programs, call-based ones, and the checkers and published tests beside them."""

    def __init__(self, tier: str, interpreter: str | None = None) -> None:
        self.plain = Sandbox(tier, interpreter=interpreter)
        self.calling = Sandbox(tier, for_functions=True, interpreter=interpreter)
        self.checking = Sandbox(tier, for_functions=True, interpreter=interpreter)
        self.testing = Sandbox(tier, for_functions=True, interpreter=interpreter)
        self._tester: tuple[Program, Limits] | None = None
        self._tests = 0

    def __enter__(self) -> "Boxes":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """End all of them at once, from another thread."""
        for box in (self.plain, self.calling, self.checking, self.testing):
            box.kill()

    def stop(self) -> None:
        """End all of them; the next use starts them anew."""
        self._tester = None
        for box in (self.plain, self.calling, self.checking, self.testing):
            box.stop()

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
