"""Real trainings, answers and verdicts are disturbed: same bytes, and nothing is done twice."""

import json
import re
import time

import pyarrow.parquet as pq
from valley.judging.cache import Cache
from work import ANSWERS, CHECKPOINT, LABELS, LOG, TRAINED

OPTIONS = ("--configfile", "study.yaml", "--retries", "0")


def measured(folder, target: str) -> dict:
    path = (folder / target).with_suffix(".meta.json")
    return json.loads(path.read_text())["measured"]


def position(folder) -> dict:
    """Return how far the saved state of the training has come."""
    for path in folder.glob("results/store/resume/*/position.json"):
        return json.loads(path.read_text())
    return {"done": 0}


def answered(folder) -> list[tuple]:
    """Return the answers that were kept, as often as they were."""
    files = sorted(folder.glob("results/store/answers/*/*.parquet"))
    columns = ["problem_id", "sample"]
    return [
        tuple(row.values()) for f in files for row in pq.read_table(f, columns=columns).to_pylist()
    ]


def judged(folder) -> list[bytes]:
    """Return the programs whose verdicts were kept, as often as they were."""
    cache = Cache(folder / "results" / "store" / "programs")
    return [key for segment in cache._segments.values() for key, _ in segment.items()]


def test_a_training_outlives_its_node_and_its_time_limit(lab, undisturbed):
    """Killed with its node, then stopped by its limit: each start goes on where the last one was.

    No retry is used up, no update is done twice, and the weights are those of a training that
    nobody disturbed.
    """
    work = undisturbed.before(lab.folder, CHECKPOINT)
    again = ("--set-resources", "train:stop_warning=90")
    run = lab.start(TRAINED, snakefile="Snakefile", options=(*OPTIONS, *again))

    job = lab.job_running()
    lab.cluster.until(lambda: position(lab.folder)["done"] > 20, 90)
    node = lab.cluster.command("squeue", "-h", "-j", job, "-o", "%N").strip()
    lab.cluster.crash_node(node)
    killed = position(lab.folder)
    try:
        lab.until_queued_again(job)
        lab.until_hurried(lambda: position(lab.folder)["done"] > killed["done"])
        # Lowered while it runs, so that the test need not wait for it; then as it was.
        lab.cluster.command("scontrol", "update", f"JobId={job}", "TimeLimit=2")
        lab.until_queued_again(job)
        stopped, log = position(lab.folder), (lab.folder / LOG).read_text()
        lab.cluster.command("scontrol", "update", f"JobId={job}", "TimeLimit=10")
        assert run.wait(180) == 0, run.said()
    finally:
        lab.cluster.start_node(node)

    updates = json.loads((lab.folder / TRAINED).read_text())["updates"]
    print(
        f"of {updates} updates {killed['done']} were saved when the node died, {stopped['done']} "
        "at the limit"
    )
    assert f"resuming after update {killed['done']} of {updates}" in log
    assert f"stopped on request: {stopped['done']} of {updates} updates are done and saved" in log
    last = (lab.folder / LOG).read_text()
    assert f"resuming after update {stopped['done']} of {updates}" in last
    assert 20 < killed["done"] < stopped["done"] < updates
    whole = measured(undisturbed.space.folder, TRAINED)["tokens"]
    assert measured(lab.folder, TRAINED)["tokens"] == whole - stopped["tokens"]
    assert len(lab.jobs()) == 1, "the same job, queued again"
    assert lab.jobs()[-1]["NodeList"] != node
    made, left_alone = (space.results("checkpoints/**/*") for space in (work, undisturbed.space))
    assert any(name.endswith("model.safetensors") for name in made)
    assert made == left_alone


def test_preempted_answers_and_verdicts_are_kept(lab, undisturbed):
    """Two jobs give way to an urgent one: what they had is neither sampled nor judged again."""
    work = undisturbed.before(lab.folder, ANSWERS, LABELS)
    run = lab.start(ANSWERS, LABELS, snakefile="Snakefile", options=OPTIONS)
    lab.cluster.until(lambda: answered(lab.folder) and judged(lab.folder), 120)
    urgent = ("sbatch", "--parsable", "-o", "/dev/null", "-p", "urgent", "--exclusive", "-N2")
    urgent = lab.cluster.command(*urgent, "--wrap", "sleep 1").strip()
    jobs = re.findall(r"SLURM jobid (\d+)", run.said())
    assert len(jobs) == 2
    lab.until_queued_again(*jobs)
    had = len(answered(lab.folder)), len(judged(lab.folder))
    lab.cluster.until(lambda: lab.state(urgent) == "COMPLETED", 60)
    begun = time.monotonic()
    assert run.wait(180) == 0, run.said()
    print(
        f"{had} of {len(answered(lab.folder))}, {len(judged(lab.folder))} were kept; the rest "
        f"took {time.monotonic() - begun:.0f} s"
    )

    about = measured(lab.folder, ANSWERS)
    assert (about["reused"], about["sampled"]) == (had[0], about["answers"] - had[0])
    assert 0 < had[0] < about["answers"]
    for kept, before in ((answered(lab.folder), had[0]), (judged(lab.folder), had[1])):
        assert len(kept) == len(set(kept)), "nothing is done twice"
        assert 0 < before < len(kept)
    assert len(lab.jobs()) == 3, "the same jobs, queued again, and the urgent one"
    for made in ("generations/**/*", "corpus/labels.parquet"):
        assert work.results(made) == undisturbed.space.results(made)
