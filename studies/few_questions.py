"""A transform of studies/answers.yaml: all answers to some of the questions, none to the others."""

import hashlib

ONE_IN = 12


def transform(row, random):
    """Keep the answers to one question in twelve, by a hash of its id, as they are."""
    rank = int.from_bytes(hashlib.sha256(row["problem_id"].encode()).digest()[:4], "big")
    return row if rank < 2**32 // ONE_IN else None
