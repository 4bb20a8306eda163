"""Encoded shards: tokenised once, kept as Arrow columns that every process maps into memory.

An entry is a folder named by what determines it: the shard's bytes, the tokenizer with its chat
template, the code. It is there whole or not at all, and one that is damaged is made anew. No length
limit is in it: recipes of any length share it.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from valley.core import tempfiles
from valley.core.disk import require_free
from valley.core.files import digest, file_digest, parquet_batches, read_json, write_json
from valley.core.versions import installed
from valley.lm import chat
from valley.lm.chat import Example

COLUMNS = ["id", "prompt", "response"]  # what examples are made of
SCHEMA = pa.schema(
    [("id", pa.string()), ("ids", pa.list_(pa.int32())), ("prompt_tokens", pa.int32())]
)
FOLDER = "encoded"  # in the store
PORTION = 256  # rows encoded at once
PART_BYTES = 256 << 20  # of a file; each is checked by a thread of its own
VISIBLE_SECONDS = 120  # until a file that one node wrote must be seen by another


class Encoded:
    """Encoded examples, a sequence of `Example`; token ids stay where they are mapped.

    Args:
        batches: of SCHEMA.
        keep: positions of those that count; None is all.
        most: tokens of an example at most, the rest is cut off; None is all.
    """

    def __init__(
        self, batches: list[pa.RecordBatch], keep: np.ndarray | None = None, most: int | None = None
    ):
        self._batches = batches
        self._starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
        self._offsets = [batch.column("ids").offsets.to_numpy() for batch in batches]
        self._tokens = [batch.column("ids").values.to_numpy() for batch in batches]
        lengths = _joined([np.diff(offsets) for offsets in self._offsets])
        prompts = _joined([batch.column("prompt_tokens").to_numpy() for batch in batches])
        self._keep = np.arange(len(lengths)) if keep is None else keep
        self.lengths = lengths[self._keep] if most is None else lengths[self._keep].clip(max=most)
        self.prompts = prompts[self._keep]

    def __len__(self) -> int:
        return len(self._keep)

    @property
    def indices(self) -> list[int]:
        """The examples' row indices in the shard."""
        return self._keep.tolist()

    def __getitem__(self, at: int) -> Example:
        index = self._keep[at]
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        row = int(index - self._starts[part])
        begin = self._offsets[part][row]
        return Example(
            self._batches[part].column("id")[row].as_py(),
            self._tokens[part][begin : begin + self.lengths[at]],
            int(self.prompts[at]),
        )

    def fitting(self, max_length: int, overlong: str) -> tuple["Encoded", int]:
        """Apply the length policy.

        Args:
            max_length: tokens at most, prompt included.
            overlong: "drop" leaves longer examples out, "cut" shortens them (they lose their end);
                one whose prompt alone is too long is left out in any case.

        Returns:
            The examples that stay, in order, and how many were dropped or cut.
        """
        longer = self.lengths > max_length
        stay = ~longer if overlong == "drop" else self.prompts < max_length
        return Encoded(self._batches, self._keep[stay], max_length), int(longer.sum())


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def encode(tokenizer, shard: str | Path, end: int) -> Iterator[pa.RecordBatch]:
    """Yield a shard's examples encoded, of SCHEMA, a portion at a time.

    Args:
        tokenizer: with a chat template.
        shard: pool rows.
        end: id of the token that ends a turn.
    """
    with _in_parallel():
        for rows in parquet_batches(shard, COLUMNS, PORTION):
            examples = chat.encode_all(tokenizer, rows.to_pylist(), end)
            lengths = [len(example.ids) for example in examples]
            tokens = np.concatenate([np.asarray(example.ids, np.int32) for example in examples])
            offsets = np.cumsum([0, *lengths], dtype=np.int32)
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array([example.id for example in examples], pa.string()),
                    pa.ListArray.from_arrays(offsets, tokens),
                    pa.array([example.prompt_tokens for example in examples], pa.int32()),
                ],
                schema=SCHEMA,
            )


def kept(
    tokenizer, shard: str | Path, end: int, folder: str | Path, about: dict, *, first: bool = True
) -> Encoded:
    """Return a shard's encoded examples, made if they are not there, or damaged.

    Args:
        tokenizer, shard, end: see `encode`.
        folder: where encoded shards are kept.
        about: digests of what else determines them: `shard` of its bytes (looked up if it is
            missing), `code`.
        first: this process checks all bytes, and makes what is missing; others come after it.
    """
    about = {
        "code": "",
        **about,
        "shard": about.get("shard") or file_digest(shard),
        "tokenizer": _identity(tokenizer),
        "end": end,
        "versions": installed(("tokenizers", "transformers")),
    }
    entry = Path(folder) / digest(about)
    until = time.monotonic() + VISIBLE_SECONDS
    while not first and not (entry / "about.json").is_file() and time.monotonic() < until:
        time.sleep(0.5)
    if not first:
        return open_entry(entry)
    if not intact(entry):
        with _locked(entry):
            if not intact(entry):  # another job was first
                begun = time.monotonic()
                write_entry(entry, encode(tokenizer, shard, end), about, shard)
                print(f"encoded {shard} in {time.monotonic() - begun:.0f} s", flush=True)
    return open_entry(entry)


def open_entry(entry: Path) -> Encoded:
    """Map an entry that is there into memory."""
    batches: list[pa.RecordBatch] = []
    for part in read_json(entry / "about.json")["parts"]:
        batches += pa.ipc.open_stream(pa.memory_map(str(entry / part)))
    return Encoded(batches)


def write_entry(
    entry: Path, batches: Iterator[pa.RecordBatch], about: dict, shard: str | Path
) -> None:
    """Write an entry to a temporary folder, and rename it when complete.

    Args:
        entry: its folder.
        batches: of SCHEMA.
        about: what determines it.
        shard: pool rows that it is made from: their size tells whether there is room.

    Raises:
        DiskFull: there is not.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    # Four bytes a token, and a token is seldom less than two of text.
    content = pq.read_metadata(shard)
    text = sum(content.row_group(at).total_byte_size for at in range(content.num_row_groups))
    require_free(entry.parent, 2 * text, f"{shard}, encoded,")
    temporary = tempfiles.folder(entry, "encoding")
    try:
        parts: list[Path] = []
        writer, held = None, 0
        for batch in batches:
            if writer is None or held > PART_BYTES:
                if writer:
                    writer.close()
                parts.append(temporary / f"part-{len(parts):05}.arrow")
                writer, held = pa.ipc.new_stream(str(parts[-1]), SCHEMA), 0
            writer.write_batch(batch)
            held += batch.nbytes
        if writer:
            writer.close()
        write_json(temporary / "about.json", {"about": about, "parts": _digests(parts)})
        shutil.rmtree(entry, ignore_errors=True)  # a damaged one
        os.rename(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def intact(entry: Path) -> bool:
    """Tell whether an entry is there, with the bytes that were written."""
    try:
        parts = read_json(entry / "about.json")["parts"]
        return parts == _digests([entry / part for part in parts])
    except (OSError, ValueError, KeyError):
        return False


def _digests(parts: list[Path]) -> dict[str, str]:
    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        found = pool.map(file_digest, parts)
        return dict(zip((part.name for part in parts), found, strict=True))


def _identity(tokenizer) -> str:
    """Return a digest of everything that a tokenizer is saved as, its chat template included."""
    with tempfiles.scratch() as folder:
        tokenizer.save_pretrained(folder)
        return digest({path.name: file_digest(path) for path in Path(folder).iterdir()})


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Let one job at a time make an entry; a file system without locks lets several make it."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = entry.with_name(f".{entry.name}.lock")
    with open(lock, "w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with this process
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextmanager
def _in_parallel() -> Iterator[None]:
    """Let the tokenizer use all of the job's cores: the other processes wait meanwhile."""
    cores = int(os.environ.get("OMP_NUM_THREADS", 0)) * int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    wanted = {"TOKENIZERS_PARALLELISM": "true"} | (
        {"RAYON_NUM_THREADS": str(cores)} if cores else {}
    )
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
