"""What has become of jobs: the word of SLURM's accounting and of its controller, made one.

Pure functions; see `valley.cluster.slurm_patches` for who asks.
"""

from collections.abc import Iterable

ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
# After these SLURM may start the job again by itself: only the controller knows whether it will.
MAYBE_AGAIN = {"NODE_FAIL", "PREEMPTED", "REVOKED"}
ALIVE = {
    *("CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING", "RUNNING"),
    *("SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED", "COMPLETING"),
}
# Why a job waits when nothing is wrong: its turn has not come.
PATIENCE = {"None", "Priority", "Resources", "BeginTime", "Dependency", "Cleaning", "Prolog"}
LOST_AFTER = (
    3  # times in a row that the controller does not know a job which accounting calls alive
)


def plain(state: str) -> str:
    """Return a state's own word: sacct says "CANCELLED by 1000", squeue just "CANCELLED"."""
    return state.split()[0].rstrip("+") if state.strip() else ""


class JobWatch:
    """The states of one run's jobs, from poll to poll."""

    def __init__(self) -> None:
        self._missed: dict[str, int] = {}
        self._alive: set[str] = set()
        self._reported: set[tuple[str, str]] = set()

    def settle(
        self,
        accounted: Iterable[tuple[str, str]] | None,
        current: Iterable[tuple[str, str]] | None,
        *,
        accounting: bool = True,
    ) -> dict[str, str]:
        """Return each known job's state: a living one, or an end that is final.

        Args:
            accounted: (job id, state) by sacct; None if it did not answer.
            current: likewise by squeue, finished jobs that it still remembers included.
            accounting: whether this site keeps accounts at all.

        A job that nobody answers for is left out: it goes on being watched. The controller is
        believed first, since it alone knows that a job starts again after a node failed. A job that
        accounting calls alive and the controller has not known three times in a row is FAILED: its
        end was never written down. Without accounting, a job that the controller has forgotten has
        ended, and how is seen by its files alone: UNKNOWN.
        """
        books = {job: plain(state) for job, state in accounted or ()}
        now = {job: plain(state) for job, state in current or ()}
        known = {}
        for job in {*books, *now, *(self._alive if not accounting else ())}:
            state = self._state(job, books.get(job), now.get(job), current is not None, accounting)
            if state:
                known[job] = state
        self._alive = {
            *(job for job, state in known.items() if state in ALIVE),
            *(job for job in self._alive if job not in known),
        }
        return known

    def _state(
        self, job: str, booked: str | None, now: str | None, asked: bool, accounting: bool
    ) -> str | None:
        if now in ALIVE:
            self._missed.pop(job, None)
            return now
        if now in ENDED:  # final: a job that is to start again is PENDING in the controller's eyes
            return "CANCELLED" if now in MAYBE_AGAIN else now
        if booked in ENDED - MAYBE_AGAIN:
            return booked
        if not asked:
            return None if booked in MAYBE_AGAIN else booked
        if booked in MAYBE_AGAIN:
            return "CANCELLED"
        if not accounting:
            return "UNKNOWN"
        self._missed[job] = self._missed.get(job, 0) + 1
        return "FAILED" if self._missed[job] >= LOST_AFTER else booked

    def warnings(self, waiting: Iterable[tuple[str, str, str]]) -> list[str]:
        """Return, once for each job and reason, why it may wait for ever.

        Args:
            waiting: (job id, state, reason) by squeue.
        """
        found: dict[str, list[str]] = {}
        for job, state, reason in waiting:
            word = reason.strip("()").split(",")[0]
            if (
                plain(state) == "PENDING"
                and word not in PATIENCE
                and (job, word) not in self._reported
            ):
                self._reported.add((job, word))
                found.setdefault(word, []).append(job)
        return [
            f"SLURM holds back {len(jobs)} job{'s' if len(jobs) > 1 else ''} "
            f"({', '.join(jobs[:5])}{' …' if len(jobs) > 5 else ''}): {word}. {advice(word)}"
            for word, jobs in found.items()
        ]


def advice(reason: str) -> str:
    """Return what can be done about a reason for which a job waits."""
    if "Limit" in reason and "Partition" in reason:
        return "The partition allows less than the job asks for: see resources in docs/slurm.md."
    if reason.startswith(("QOS", "Assoc")) and "PerJob" in reason:
        return (
            "It alone asks for more than your account or QOS allows, and waits for ever: let it "
            "ask for less (resources in docs/slurm.md), or use another QOS (sacctmgr show qos)."
        )
    if reason.startswith(("QOS", "Assoc", "MaxJobs")):
        return (
            "A limit of your account or QOS is reached; the job waits until others end, and for "
            "ever if it alone asks for more (sacctmgr show qos, sacctmgr show assoc user=$USER)."
        )
    if reason.startswith(("ReqNodeNotAvail", "NodeDown", "Nodes required", "Reservation")):
        return "Nodes that it needs are down, drained or reserved: sinfo -R says which, and why."
    if reason.startswith("JobHeld") or "held" in reason:
        return "It is held: scontrol release JOB, or ask the administrators."
    return "See squeue --format '%i %r' and man squeue, JOB REASON CODES."
