"""Keeping to a provider's limits: requests and tokens in any minute."""

import time
from collections import deque
from collections.abc import Callable

MINUTE = 60.0


class Limiter:
    """A sliding minute of requests and their tokens.

    What a request will take is not known before its answer: until then it counts as much as those
    before it took on average, or as much as it may take at most.

    Args:
        requests: that may begin in a minute; None is any number.
        tokens: read and written in a minute; None is any number.
        most: tokens that one request may take.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._requests, self._tokens, self._most, self._clock = requests, tokens, most, clock
        self._window: deque[list[float]] = deque()  # of [when it began, tokens]
        self._done, self._taken = 0, 0

    def enter(self) -> tuple[float, list[float] | None]:
        """Begin a request if the limits allow it.

        Returns:
            Seconds after which to try again, or 0 and what `leave` wants back.
        """
        now = self._clock()
        while self._window and self._window[0][0] <= now - MINUTE:
            self._window.popleft()
        expected = self._taken / self._done if self._done else self._most
        used = sum(tokens for _, tokens in self._window)
        full = self._requests is not None and len(self._window) >= self._requests
        # One request alone may always begin, however small the limit.
        full |= self._tokens is not None and bool(used) and used + expected > self._tokens
        if full:
            return max(0.01, self._window[0][0] + MINUTE - now), None
        entry = [now, expected]
        self._window.append(entry)
        return 0.0, entry

    def leave(self, entry: list[float], tokens: int) -> None:
        """Tell what a request has taken."""
        entry[1] = tokens
        if tokens:
            self._done, self._taken = self._done + 1, self._taken + tokens
