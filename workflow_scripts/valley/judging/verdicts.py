"""The words of a verdict, and what is told with it."""

from dataclasses import dataclass, field

ACCEPTED = "accepted"
WRONG_ANSWER = "wrong_answer"
TIME_LIMIT = "time_limit"
MEMORY_LIMIT = "memory_limit"
OUTPUT_LIMIT = "output_limit"
RUNTIME_ERROR = "runtime_error"
COMPILE_ERROR = "compile_error"
NO_CODE = "no_code"
JUDGE_ERROR = "judge_error"

VERDICTS = (
    ACCEPTED,
    WRONG_ANSWER,
    TIME_LIMIT,
    MEMORY_LIMIT,
    OUTPUT_LIMIT,
    RUNTIME_ERROR,
    COMPILE_ERROR,
    NO_CODE,
    JUDGE_ERROR,
)


@dataclass(frozen=True)
class Verdict:
    """What became of one program.

    The first four fields are the same whenever the same program is judged; the measurements are
    not, and are left out when verdicts are compared. `failed_test` counts from 0.
    """

    verdict: str
    failed_test: int | None = None
    tests_passed: int = 0
    detail: str = ""
    cpu_s: float = field(default=0.0, compare=False)
    wall_s: float = field(default=0.0, compare=False)
    peak_mb: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Limits:
    """What one test of one program may use; `wall_s` is there for programs that only wait."""

    cpu_s: float
    memory_mb: int
    output_bytes: int
    wall_s: float


@dataclass(frozen=True)
class Options:
    """How programs are judged, beyond what their problems say."""

    stop_at_first_failure: bool = True
    time_factor: float = 1.0
    output_limit_mb: int = 16
    wall_factor: float = 5.0
    wall_extra_s: float = 3.0
    packages: tuple[str, ...] = ()  # pins of what programs may import
