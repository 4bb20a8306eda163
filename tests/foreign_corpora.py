"""Files in the schemas and the cache layout of the corpora that the field uses, made up here."""

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hub_files import jsonl, snapshot

TEXT = (
    *("id", "question_id", "question", "r1_generation", "qwq_critique", "solution", "judgement"),
    *("pass_rate", "source", "license", "dataset", "split", "difficulty", "index"),
)
LABELS = ("EASY", "MEDIUM", "MEDIUM_HARD", "HARD", "VERY_HARD", "UNKNOWN_DIFFICULTY")
_WORDS = re.findall(
    r"\w+",
    "the number of ways sum array we need find each step count value loop index first then check "
    "case small large because sorted pair left right total answer input line print read idea wait",
)


def answer(program: str, thoughts: str, fence: str = "python") -> str:
    """Return an answer as teachers give it: reasoning, then a fenced program."""
    return f"<think>\n{thoughts}\n</think>\n\nHere it is.\n\n```{fence}\n{program}\n```\n"


def thoughts(rng: random.Random, words: int) -> str:
    """Return made-up reasoning of so many words."""
    return " ".join(rng.choices(_WORDS, k=words))


def question(dataset: str, index: int) -> str:
    """Return the made-up text of a question: print a number plus `index`."""
    rng = random.Random(f"{dataset}{index}")
    return (
        f"Task {index} of {dataset}. {thoughts(rng, 40)}. Read one whole number from the only line "
        f"of the input and print that number plus {index}."
    )


def program(index: int, right: bool = True) -> str:
    """Return a program for a question: a right one, or one that is off by one."""
    return f"n = int(input())\nprint(n + {index + (not right)})"


def opencodereasoning2(
    number: int, *, answers: int = 4, words: int = 60, seed: int = 0, cpp: bool = False
) -> list[dict]:
    """Return rows of OpenCodeReasoning-2: `answers` to a question, in turn right and wrong."""
    rng, rows = random.Random(seed), []
    for at in range(number):
        where, right = at // answers, at % 2 == 0
        dataset = ("taco", "apps")[where % 2]
        code = program(where, right)
        text = answer(code, thoughts(rng, words), "cpp" if cpp else "python")
        rows.append(
            {
                "id": f"{rng.getrandbits(128):032x}",
                "question_id": f"q{where:06d}",
                "question": "-",
                "r1_generation": text,
                "qwq_critique": thoughts(rng, words // 4),
                "solution": code,
                "judgement": ("right", "wrong")[not right],
                "pass_rate": ("1.0", "0.25")[not right],
                "source": "codewars",
                "license": "cc-by-4.0",
                "dataset": dataset,
                "split": "train",
                "difficulty": LABELS[where % len(LABELS)] if dataset == "taco" else "interview",
                "index": str(where),
            }
        )
    return rows


def taco(number: int) -> list[dict]:
    """Return rows of TACO: the columns that matter, tests packed as JSON."""
    return [
        {
            "question": question("taco", at),
            "solutions": json.dumps([program(at)]),
            "starter_code": "",
            "input_output": json.dumps(
                {"inputs": ["1\n", "10\n"], "outputs": [f"{1 + at}\n", f"{10 + at}\n"]}
            ),
            "difficulty": LABELS[at % len(LABELS)],
            "source": "codewars",
            "url": "",
            "time_limit": None,
            "memory_limit": None,
        }
        for at in range(number)
    ]


def apps(number: int) -> list[dict]:
    """Return rows of APPS."""
    return [
        {
            "id": at,
            "question": question("apps", at),
            "solutions": json.dumps([program(at)]),
            "input_output": json.dumps({"inputs": ["2\n"], "outputs": [f"{2 + at}\n"]}),
            "difficulty": "interview",
            "url": "",
            "starter_code": "",
        }
        for at in range(number)
    ]


def write_parquet(path: Path, rows: list[dict], columns: Sequence[str] = TEXT) -> None:
    """Write rows of text as Hugging Face does: row groups of 1,000."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([(name, pa.string()) for name in columns])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=1000)


def write_arrow(path: Path, rows: list[dict]) -> None:
    """Write rows as an Arrow stream, as TACO has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)


def cache(home: Path, rows: list[dict], questions: int) -> None:
    """Fill a cache: OpenCodeReasoning-2 in two shards, and the questions that it points to."""
    half = len(rows) // 2
    folder = snapshot(home, "nvidia/OpenCodeReasoning-2") / "train" / "python"
    write_parquet(folder / "train-00000-of-00002.parquet", rows[:half])
    write_parquet(folder / "train-00001-of-00002.parquet", rows[half:])
    folder = snapshot(home, "BAAI/TACO") / "train"
    asked = taco(questions)
    write_arrow(folder / "data-00000-of-00002.arrow", asked[: questions // 3])
    write_arrow(folder / "data-00001-of-00002.arrow", asked[questions // 3 :])
    jsonl(snapshot(home, "codeparrot/apps") / "train.jsonl", apps(questions))
