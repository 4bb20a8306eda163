"""Cut data shards out of the pool: nested, and each independent of all other sizes."""

import hashlib
from pathlib import Path

from core import slices
from core.files import POOL, read_parquet, write_parquet
from core.seeds import derive


def rank(seed: int, identifier: str) -> bytes:
    """Return an example's rank: the N lowest in a slice make the shard of size N."""
    return hashlib.sha256(f"{seed}\x1f{identifier}".encode()).digest()


def shard(pool: Path, out: Path, *, slice: str, size: int, seed: int) -> None:
    """Write the shard of one slice, size and replicate, ordered by rank.

    Args:
        pool: the pool.
        out: file to write.
        slice: difficulty.correctness.
        size: number of examples.
        seed: the replicate; the subset's seed is derived from it.

    Raises:
        ValueError: the slice holds fewer rows than asked for.
    """
    members = [row for row in read_parquet(pool) if slices.holds(slice, row)]
    if len(members) < size:
        raise ValueError(
            f"slice {slice} holds {len(members)} traces, but {size} were asked for; "
            f"ask for less in the study file, or enlarge its corpus"
        )
    subset = derive("subset", seed)
    members.sort(key=lambda row: rank(subset, row["id"]))
    write_parquet(out, members[:size], POOL)


if "snakemake" in globals():
    from core.job import bind

    params = snakemake.params
    with bind(snakemake):
        shard(
            snakemake.input.pool,
            snakemake.output[0],
            slice=params.slice,
            size=params.size,
            seed=params.seed,
        )
