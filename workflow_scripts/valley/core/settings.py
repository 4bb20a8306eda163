"""What fields of a dataclass say that holds a part of the study file."""

from dataclasses import field
from typing import Any

# Of a field that changes no result, such as speed: it is in no sidecar, and never a reason to run
# a job again. Write `field(default=8, metadata=HANDLING)`.
HANDLING = {"handling": True}


def later(default: object, earlier: object = ...) -> Any:
    """Declare a key that recorded results lack, or whose default was another.

    Args:
        default: what jobs without the key did.
        earlier: the value that was recorded for the same; `...` is none at all.
    """
    return field(default=default, metadata={"earlier": earlier})
