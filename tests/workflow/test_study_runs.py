"""The whole smoke study: every artefact is there, and says what made it."""

import json
import platform
import subprocess
import sys
import time

import pytest
from workspace import REPOSITORY


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("benchmarks/bank.parquet", 1),
        ("corpus/*.parquet", 3),
        ("corpus/traces/*.parquet", 1),
        ("shards/*/n*-s*.parquet", 6),
        ("students/tiny/checkpoint.json", 1),
        ("checkpoints/*/*/*/*/*/checkpoint.json", 8),
        ("generations/**/bank.parquet", 9),
        ("verdicts/**/bank.parquet", 9),
        ("scores/**/bank.json", 9),
        ("curves/**/bank.json", 1),
        ("contrasts/**/bank.json", 1),
        ("tables/*.csv", 2),
        ("tables/answers/bank.json", 1),
        ("figures/**/bank.svg", 5),
        ("figures/**/bank.pdf", 5),
        ("report.html", 1),
    ],
)
def test_the_study_leaves_its_artefacts(finished, pattern, count):
    assert len(finished.results(pattern)) == count


def test_every_artefact_says_what_made_it(finished):
    root = finished.folder / "results" / "smoke"
    for path in root.glob("verdicts/**/bank.parquet"):
        about = json.loads(path.with_suffix(".meta.json").read_text())
        assert about["rule"] == "judge"
        assert about["outputs"][str(path.relative_to(finished.folder))]
        assert {"isolation", "code"} <= about["params"].keys()
        assert all(name.startswith("results/smoke/") for name in about["inputs"])


def test_deterministic_artefacts_hold_no_clock_host_or_path(finished):
    words = [platform.node(), str(finished.folder), time.strftime("%Y-%m-%d")]
    for name, content in finished.results().items():
        for word in words:
            assert len(word) < 4 or word.encode() not in content, f"{name} holds {word}"


def test_no_torch_in_a_dry_run(finished):
    """What a dry-run imports is what a user waits for."""
    script = finished.folder / "probe.py"
    script.write_text(
        "import sys\nfrom snakemake.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'scipy', 'matplotlib'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, str(script), "-s", str(REPOSITORY / "Snakefile"), "-n"]
    command += ["--directory", str(finished.folder), "--configfile", str(finished.study)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=finished.folder)
    assert "HEAVY []" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]


def test_shards_and_generations_are_tables_that_datasets_loads(finished):
    from datasets import Dataset

    root = finished.folder / "results" / "smoke"
    cache = str(finished.folder / "datasets")
    shard = Dataset.from_parquet(str(root / "shards/all.any/n32-s0.parquet"), cache_dir=cache)
    assert len(shard) == 32
    assert {"id", "prompt", "response", "difficulty", "correct"} <= set(shard.column_names)
    answers = Dataset.from_parquet(
        str(root / "generations/tiny/base/bank.parquet"), cache_dir=cache
    )
    assert set(answers["finish_reason"]) <= {"stop", "length"}
