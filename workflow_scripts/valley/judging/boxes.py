"""The sandboxes that one worker needs, each started when it is first used."""

from valley.judging.sandbox import Sandbox


class Boxes:
    """For plain programs, for call-based ones, and for checkers, which run beside either."""

    def __init__(self, tier: str, interpreter: str | None = None) -> None:
        self.plain = Sandbox(tier, interpreter=interpreter)
        self.calling = Sandbox(tier, for_functions=True, interpreter=interpreter)
        self.checking = Sandbox(tier, for_functions=True, interpreter=interpreter)

    def __enter__(self) -> "Boxes":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """End all of them at once, from another thread."""
        for box in (self.plain, self.calling, self.checking):
            box.kill()

    def stop(self) -> None:
        """End all of them; the next use starts them anew."""
        for box in (self.plain, self.calling, self.checking):
            box.stop()
