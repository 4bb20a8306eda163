"""Real answers and verdicts are disturbed: same bytes, and nothing is done twice."""

import json
import re
import time

import pyarrow.parquet as pq
from judging.cache import Cache
from work import ANSWERS, LABELS

OPTIONS = ("--configfile", "study.yaml", "--retries", "0")


def measured(folder, target: str) -> dict:
    path = (folder / target).with_suffix(".meta.json")
    return json.loads(path.read_text())["measured"]


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
