"""Memory and pace of a corpus' way to the pool and to shards, on made-up OpenCodeReasoning-2 files.

It needs PYTHONPATH=workflow_scripts:tests, which `make` sets.

    python tests/bench/bench_corpora.py --gb 1 2 4 --folder /scratch/corpora

Each stage runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import multiprocessing
import shutil
import time
from pathlib import Path

import foreign_corpora as made
import pyarrow as pa
import pyarrow.parquet as pq
from hub_files import jsonl
from valley.core.files import PROBLEM, parquet_stream
from valley.core.sources import Cleaning, resolved, resolved_questions
from valley.corpora.join import plain_problem
from valley.workflow.job import Job

WORDS = 4500  # of a trace: some 27 kB, as OpenCodeReasoning-2's are on average
SHARD = 200 << 20  # bytes of a file; Hugging Face cuts at 200 to 500 MB
UNSET = {
    "form": "opencodereasoning-2",
    "hub": None,
    "revision": None,
    "files": ["train/python/*.parquet"],
    "columns": {},
    "only": None,
    "teacher": None,
    "rows": None,
    "longest_line": 1 << 26,
}


def make(folder: Path, size: int) -> int:
    """Write about `size` bytes of Parquet, and the questions; return the number of rows."""
    schema = pa.schema([(name, pa.string()) for name in made.TEXT])
    target, rows, part, written = folder / "train" / "python", 0, 0, 0
    target.mkdir(parents=True)
    while written < size:
        path = target / f"train-{part:05d}.parquet"
        with pq.ParquetWriter(path, schema, compression="none") as writer:
            while path.stat().st_size < min(SHARD, size - written):
                portion = made.opencodereasoning2(1000, words=WORDS, seed=rows)
                for number, row in enumerate(portion):
                    row["index"] = str((rows + number) // 4)
                writer.write_table(pa.Table.from_pylist(portion, schema=schema))
                rows += 1000
        written, part = written + path.stat().st_size, part + 1
    for name, write in (("taco", made.taco), ("apps", made.apps)):
        jsonl(folder / f"{name}.jsonl", write(rows // 4))
    return rows


def stages(folder: Path, rows: int) -> dict:
    """Return the stages' tasks, in order."""
    from pool import GivenLabels, Pool
    from shards import Shard
    from sources import SourceProblems, SourceTraces

    source = resolved("ocr2", {**UNSET, "path": str(folder)})
    questions = resolved_questions(
        {
            name: {
                "path": str(folder / f"{name}.jsonl"),
                "hub": None,
                "revision": None,
                "files": {"train": [f"{name}.jsonl"]},
            }
            for name in ("taco", "apps")
        }
    )
    with parquet_stream(folder / "benchmark.parquet", PROBLEM) as stream:
        for at in range(1000):
            stream.write(plain_problem(f"b{at}", made.question("bench", at), "", "bench"))
    at = {
        name: folder / f"{name}.parquet"
        for name in ("problems", "traces", "labels", "pool", "shard", "paired")
    }
    size = rows // 3
    taken = {"source": source, "correctness": "judgement", "pass_rate": 1.0, "bad_rows": "stop"}
    asked = {"sources": [source], "questions": questions, "bad_rows": "stop"}
    cut = {"pool": at["pool"], "size": size, "seed": 0}
    return {
        "problems": SourceProblems(problems=at["problems"], counts=folder / "p.json", **asked),
        "traces": SourceTraces(
            problems=at["problems"], traces=at["traces"], counts=folder / "t.json", **taken
        ),
        "labels": GivenLabels(traces=[at["traces"]], out=at["labels"]),
        "pool": Pool(
            problems=at["problems"],
            traces=[at["traces"]],
            labels=at["labels"],
            benchmarks=[folder / "benchmark.parquet"],
            pool=at["pool"],
            summary=folder / "summary.json",
            difficulties={"easy": ["EASY"], "hard": ["HARD"]},
            cleaning=Cleaning(),
        ),
        "shard": Shard(out=at["shard"], slice="all.any", **cut),
        "paired": Shard(out=at["paired"], slice="all.paired-correct", **cut),
    }


def measured(task, result) -> None:
    """Run a stage and send how long it took and its peak memory."""
    begun, cpu = time.monotonic(), time.process_time()
    task.run(Job())
    # Of this process alone: getrusage's figure is inherited from the parent.
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1])
    result.put((time.monotonic() - begun, time.process_time() - cpu, peak))


def main() -> None:
    """Print a line per size and stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, nargs="+", default=[0.1, 0.2])
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    spawned = multiprocessing.get_context("spawn")
    for gb in given.gb:
        folder = given.folder / f"{gb}gb"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows = make(folder, int(gb * 1e9))
        for name, task in stages(folder, rows).items():
            result = spawned.SimpleQueue()
            process = spawned.Process(target=measured, args=(task, result))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f"{name} failed")
            wall, cpu, peak = result.get()
            line = {"gb": gb, "stage": name, "rows": rows, "wall_s": round(wall, 1)}
            line |= {"cpu_s": round(cpu, 1), "rows_per_cpu_s": round(rows / cpu)}
            print(json.dumps({**line, "peak_mb": round(peak / 1024)}), flush=True)
        print((folder / "summary.json").read_text()[:300], flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
