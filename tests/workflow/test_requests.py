"""What jobs ask for in the real workflow: learnt, overridden, more on a retry; and scratch."""

from valley.cluster import requests
from valley.core.files import read_json, write_json
from valley.core.study import Study

SHARD = "results/smoke/shards/all.any/n16-s0.parquet"
VERDICTS = "results/smoke/verdicts/tiny/base/bank.parquet"
ARM = {"student": "tiny", "recipe": "distil", "start": "base", "slice": "all.any", "seed": "0"}


def beside(workspace, target: str) -> dict:
    return read_json((workspace.folder / target).with_suffix(".meta.json"))["measured"]


def test_requests_are_learnt_from_the_sidecars_of_a_real_run(copy):
    root = copy.folder / "results/smoke"
    config = Study.read(copy.study).config
    seen = requests.measured(config, root)
    assert set(seen) == {(rule, "tiny") for rule in ("train", "generate", "judge")}
    place = root / "checkpoints/tiny/distil/base/all.any/n32-s0/checkpoint.meta.json"
    about = read_json(place)
    about["measured"]["wall_seconds"] = 3600.0
    write_json(place, about)
    asked = {**ARM, "size": "32"}
    before = requests.request(config, "train", asked, seen=seen).runtime
    after = requests.request(config, "train", asked, seen=requests.measured(config, root)).runtime
    assert before < 60 < 120 <= after


def test_a_retry_asks_for_more_and_the_study_file_for_what_it_says(copy, monkeypatch):
    """A job whose process dies at its first start, and a study file with a time of its own."""
    config = copy.smoke()
    config["resources"] = {"judge": {"runtime": 7, "cpus": 2}}
    copy.write(config)
    assert copy.plan() == {}, "what jobs ask for makes nothing run again"
    (copy.folder / VERDICTS).unlink()
    dying = copy.folder / "dying"
    dying.mkdir()
    (dying / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if sys.argv and 'judge.py' in ' '.join(sys.orig_argv):\n"
        f"    if not os.path.exists({str(dying / 'once')!r}):\n"
        f"        open({str(dying / 'once')!r}, 'w').close()\n"
        "        os._exit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(dying))
    copy.snakemake("--cores", "2", "--retries", "1", VERDICTS)
    assert (dying / "once").is_file()
    assert beside(copy, VERDICTS)["asked"] == {"minutes": 14, "gpus": 0, "nodes": 1, "cpus": 2}


def test_jobs_use_the_scratch_that_they_are_told(copy):
    scratch = copy.folder / "scratch"
    scratch.mkdir()
    for target in (SHARD, VERDICTS):
        (copy.folder / target).unlink()
    before = scratch.stat().st_mtime_ns
    told = ("--default-resources", f"tmpdir='{scratch}'")
    copy.snakemake("--cores", "1", *told, "--", SHARD, VERDICTS)
    assert {beside(copy, target)["scratch"] for target in (SHARD, VERDICTS)} == {str(scratch)}
    assert scratch.stat().st_mtime_ns > before, "files came"
    assert not list(scratch.iterdir()), "and went"
