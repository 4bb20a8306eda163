"""What fields of a dataclass say that holds a part of the study file."""

# Of a field that changes no result, such as speed: it is in no sidecar, and never a reason to run
# a job again. Write `field(default=8, metadata=HANDLING)`.
HANDLING = {"handling": True}
