"""Dataclasses that hold a part of the study file, and which of their fields change no result."""

import dataclasses

# Of a field that changes no result, such as speed: it is in no sidecar, and never a reason to run
# a job again. Write `field(default=8, metadata=HANDLING)`.
HANDLING = {"handling": True}


def is_handling(field: dataclasses.Field) -> bool:
    """Tell whether a field changes no result."""
    return field.metadata.get("handling", False)


def plain(value: object) -> object:
    """Return a value with its dataclasses as mappings, as sidecars have them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
