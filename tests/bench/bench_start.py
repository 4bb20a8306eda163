"""What lies between a training's command and its first update: encoding a shard, once and again.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

    python tests/bench/bench_start.py [--examples N] [--words N] [--table N]

Each way is a process of its own; its time and peak memory are above those of its imports. "Lists"
encodes every example into Python's integers, as a process without a store does for itself. The last
line opens a table of synthetic tokens of a 7B model's size.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from valley.core.files import POOL, write_parquet
from valley.lm import chat, encoded, packing, students

WAYS = {
    "lists": "every process, every start",
    "first": "first start, into the store",
    "second": "second start",
    "table": "second start, synthetic",
}
MEDIAN = 6000  # tokens of an example of the synthetic table


def synthetic(folder: Path, examples: int) -> None:
    """Write an entry of random tokens, of log-normal lengths up to 32,768."""
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, 150_000, 4_000_000, dtype=np.int32)

    def batches():
        for _ in range(0, examples, encoded.PORTION):
            drawn = draw.lognormal(np.log(MEDIAN), 0.8, encoded.PORTION)
            offsets = np.cumsum([0, *np.clip(drawn, 400, 32768)], dtype=np.int32)
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(map(str, range(encoded.PORTION))),
                    pa.ListArray.from_arrays(offsets, np.resize(tokens, int(offsets[-1]))),
                    pa.array(np.full(encoded.PORTION, 300, np.int32)),
                ],
                schema=encoded.SCHEMA,
            )

    write_parquet(folder / "empty.parquet", [], POOL)
    encoded.write_entry(folder / "table" / "entry", batches(), {}, folder / "empty.parquet")


def measure(way: str, folder: Path) -> None:
    """Do it one way; print examples, tokens, seconds and megabytes."""
    tokenizer, shard = students.load_tokenizer(folder / "student"), folder / "shard.parquet"
    end = chat.end_of_turn(tokenizer)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    if way == "lists":
        batches = encoded.encode(tokenizer, shard, end)
        held = [
            chat.Example(id, ids, prompt)
            for batch in batches
            for id, ids, prompt in zip(*batch.to_pydict().values(), strict=True)
        ]
        lengths = [len(example.ids) for example in held]
    else:
        if way == "table":
            examples = encoded.open_entry(folder / "table" / "entry")
            assert encoded.intact(folder / "table" / "entry")
        else:
            examples = encoded.kept(tokenizer, shard, end, folder / "kept", {"shard": "known"})
        lengths = examples.lengths.tolist()
        plan = packing.batches(lengths, min(128, len(lengths)), 0, epochs=1, steps=None)
        assert all(len(examples[at].ids) for at in plan[0])
    seconds = time.perf_counter() - begun
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    print("measured", len(lengths), sum(lengths), f"{seconds:.1f}", f"{memory:.0f}")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--words", type=int, default=1500, help="of a response")
    parser.add_argument("--table", type=int, default=300_000, help="examples of the last line")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        return measure(options.way, options.folder)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        draw = np.random.default_rng(0)
        words = [f"{kind}_{at}" for kind in ("add", "list", "value", "total") for at in range(200)]
        rows = [
            {
                **dict.fromkeys(POOL.names),
                "id": str(at),
                "prompt": "Add the numbers of a list.",
                "response": " ".join(draw.choice(words, options.words)),
            }
            for at in range(options.examples)
        ]
        write_parquet(folder / "shard.parquet", rows, POOL)
        tokenizer = students.train_tokenizer([rows[0]["response"]], 1536)
        tokenizer.save_pretrained(folder / "student")
        synthetic(folder, options.table)
        print("| way | examples | tokens | seconds | MB above the imports |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for way, what in WAYS.items():
            command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found = said.partition("measured ")[2].split()
            count, tokens = (f"{int(number):,}" for number in found[:2])
            print(f"| {what} | {count} | {tokens} | {found[2]} | {found[3]} |", flush=True)
    return None


if __name__ == "__main__":
    main()
