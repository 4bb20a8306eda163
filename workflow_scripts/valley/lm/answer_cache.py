"""Answer caches: they keep a model's answers, so that only missing ones are sampled.

A cache is a folder of the store, named by what determines an answer apart from problem and sample:
checkpoint, engine, sampling settings, seed, code. Jobs add segments to it: Parquet files written
whole, never changed, and named by the digest of their bytes. So a damaged one betrays itself, two
jobs that write the same answers write the same file, and nothing needs a lock.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from valley.core.files import GENERATION, atomic_write, digest, file_digest, write_json

Key = tuple[str, str, int]  # digest of the prompt's text, problem, number of the sample
SEGMENT = pa.schema([("prompt", pa.string()), *GENERATION])


@dataclass(frozen=True)
class Question:
    """One answer to sample.

    Attributes:
        prompt: what is asked.
        problem_id: the problem that it puts.
        sample: number of the answer among those to this problem.
        seed: of the answer.
    """

    prompt: str
    problem_id: str
    sample: int
    seed: int

    @property
    def key(self) -> Key:
        """What a cache finds its answer by."""
        return text_digest(self.prompt), self.problem_id, self.sample


def answer_row(question: Question, text: str, finish_reason: str, tokens: int) -> dict:
    """Return the row (schema SEGMENT) of an answer to a question."""
    prompt, problem, sample = question.key
    return {
        "prompt": prompt,
        "problem_id": problem,
        "sample": sample,
        "text": text,
        "finish_reason": finish_reason,
        "tokens": tokens,
        "seed": question.seed,
    }


def text_digest(text: str) -> str:
    """Return the digest of a prompt for a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(row: dict) -> Key:
    """Return the key of a segment's row."""
    return row["prompt"], row["problem_id"], row["sample"]


# What a job's params say beside what determines an answer: how many are wanted, in which words (the
# prompt's digest has them), where they lie, and the code that copies them.
NOT_DETERMINING = ("samples", "prompts", "store", "code")


def cache_of_checkpoint(checkpoint: str | Path, store: str | Path, params: dict) -> "AnswerCache":
    """Return the cache of a checkpoint's answers, as a job with these params samples them.

    Args:
        checkpoint: manifest of the model.
        store: root of the store.
        params: of a job of the rules that sample.
    """
    from valley.lm import students

    determining = {name: value for name, value in params.items() if name not in NOT_DETERMINING}
    return AnswerCache(store, {"checkpoint": students.identity(checkpoint), **determining})


class AnswerCache:
    """The answers of one model under one set of settings.

    Args:
        store: root of the store.
        about: plain values that determine an answer, apart from problem and sample.
    """

    def __init__(self, store: str | Path, about: dict):
        self.about = about
        self.folder = Path(store) / "answers" / digest(about)
        self._rows: dict[Key, dict] = {}
        self._read: set[str] = set()

    def known(self, wanted: Iterable[Key]) -> dict[Key, dict]:
        """Return the rows (schema SEGMENT) that the cache has of those requested.

        Segments that are damaged, or no segments at all, are left out with a message: their answers
        are sampled again. Where two segments answer the same request, the first by name counts.
        """
        for path in sorted(self.folder.glob("*.parquet")):
            if path.name not in self._read:
                self._read.add(path.name)
                for row in _segment(path):
                    self._rows.setdefault(key_of(row), row)
        return {key: self._rows[key] for key in wanted if key in self._rows}

    def open_as(self, about: dict) -> None:
        """Let the answers be found under other values too: those are said to come to the same."""
        other = AnswerCache(self.folder.parent.parent, about)
        if self.folder.is_dir():
            write_json(other.folder / "about.json", about)
            for path in self.folder.glob("*.parquet"):
                if not (other.folder / path.name).exists():
                    os.link(path, other.folder / path.name)

    def write(self, rows: list[dict]) -> None:
        """Add answers as one segment, complete or not at all.

        Args:
            rows: of schema SEGMENT; any order.
        """
        if not rows:
            return
        if not (self.folder / "about.json").is_file():
            write_json(self.folder / "about.json", self.about)
        rows = sorted(rows, key=key_of)
        table = pa.Table.from_pylist(rows, schema=SEGMENT)
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd", store_schema=False)
        content = buffer.getvalue().to_pybytes()
        name = f"{hashlib.sha256(content).hexdigest()}.parquet"
        with atomic_write(self.folder / name) as temporary:
            temporary.write_bytes(content)
        self._read.add(name)
        for row in rows:
            self._rows.setdefault(key_of(row), row)


def _segment(path: Path) -> list[dict]:
    """Return a segment's rows; none, with a message, when it is not what its name says."""
    try:
        if file_digest(path) != path.stem:
            raise ValueError("its content is not what was written")
        table = pq.read_table(path)
        if not table.schema.equals(SEGMENT):
            raise ValueError("its columns are not those of a segment")
    except (OSError, ValueError, pa.ArrowException) as error:
        print(f"{path}: left out, its answers are sampled again: {error}", flush=True)
        return []
    return table.to_pylist()
