"""Let teachers answer the corpus' questions anew: traces to be judged and labelled."""

import time
import uuid
from collections import Counter
from pathlib import Path

from tqdm import tqdm
from valley.asking.questions import Question, questions
from valley.core.files import POOL, read_json, write_json, write_parquet
from valley.core.resume import Stopped, stop_signals
from valley.lm.book import Book, answered

MILLION = 1_000_000
# What decides how answers come and what they cost, not what they say: no params.
HANDLING = (
    "base_url",
    "key_variable",
    "concurrent",
    "requests_per_minute",
    "tokens_per_minute",
    "timeout_s",
    "attempts",
    "backoff_s",
)


class Unanswered(RuntimeError):
    """Questions are left that nobody answered, and the study file does not let them go."""


def ask(asked: list[Question], book: Book, engine, *, chunk: int) -> tuple[dict, dict[str, int]]:
    """Ask what the book lacks, and add each answer to it.

    Args:
        asked: what is wanted.
        book: where answers are kept.
        engine: has `answers(questions, stopping)` and `measured`; or a function that makes it, only
            called when something is to be asked.
        chunk: answers that are saved together.

    Returns:
        Measurements, and how many questions were not answered, by reason.

    Raises:
        Stopped: the job was asked to stop; what had been answered is in the book.
    """
    known = book.known(question.key for question in asked)
    missing = [question for question in asked if question.key not in known]
    measured = {"answers": len(asked), "reused": len(known), "asked": len(missing)}
    reasons: Counter[str] = Counter()
    if not missing:
        return measured, {}
    begun, left = time.monotonic(), len(missing)
    with stop_signals() as stopping, tqdm(total=left, unit="answer", disable=None) as bar:
        engine = engine() if callable(engine) else engine
        rows, spent = [], Counter()
        try:
            for finished in engine.answers(missing, stopping):
                for number, said in finished:
                    spent.update(tokens_in=said.prompt_tokens, tokens_out=said.tokens)
                    if said.text is None:
                        reasons[said.finish_reason] += 1
                    else:
                        row = answered(missing[number], said.text, said.finish_reason, said.tokens)
                        rows.append(row)
                left -= len(finished)
                bar.update(len(finished))
                if len(rows) >= chunk:
                    _save(book, rows, spent)
                    rows, spent = [], Counter()
        finally:
            _save(book, rows, spent)  # also when the endpoint refuses: what was said is said
    if left:
        raise Stopped(
            f"{len(asked) - left} of {len(asked)} answers are in {book.folder}; the same job goes "
            f"on with the other {left}"
        )
    return {**measured, **engine.measured, "ask_seconds": time.monotonic() - begun}, reasons


def write(asked: list[Question], book: Book, out: Path, *, teacher: str) -> None:
    """Write a teacher's answers as pool rows, unlabelled, sorted by id; unanswered ones lack."""
    known = book.known(question.key for question in asked)
    rows = [
        {
            "id": f"{question.problem_id}/{teacher}/{question.sample}",
            "problem_id": question.problem_id,
            "prompt": question.problem["statement"],
            "response": known[question.key]["text"],
            "difficulty": question.problem["difficulty"],
            "correct": None,
            "teacher": teacher,
            "tokens": known[question.key]["tokens"],
            "source": question.problem["source"],
        }
        for question in asked
        if question.key in known
    ]
    write_parquet(out, sorted(rows, key=lambda row: row["id"]), POOL)


def costs(book: Book, price_in: float | None, price_out: float | None) -> dict:
    """Return tokens and money that a book's answers took, over all the jobs that wrote it.

    Args:
        book: the teacher's.
        price_in, price_out: per million tokens read and written; None is unknown.
    """
    spent: Counter[str] = Counter()
    for path in sorted((book.folder / "spent").glob("*.json")):
        spent.update(read_json(path))
    found = {name: spent[name] for name in ("tokens_in", "tokens_out")}
    if price_in is not None and price_out is not None:
        price = found["tokens_in"] * price_in + found["tokens_out"] * price_out
        found["cost"] = price / MILLION
    return found


def tell(reasons: dict[str, int], unanswered: str) -> None:
    """Say which questions were not answered; an error unless the study file lets them go."""
    if not reasons:
        return
    told = "; ".join(f"{number} times {reason}" for reason, number in sorted(reasons.items()))
    count = sum(reasons.values())
    if unanswered == "stop":
        raise Unanswered(
            f"{count} questions were not answered ({told}). All other answers are kept: run again "
            "to ask these once more, or put `unanswered: skip` into the study file to go on without"
        )
    print(f"{count} questions are left unanswered: {told}", flush=True)


def _save(book: Book, rows: list[dict], spent: Counter) -> None:
    book.write(rows)
    if spent.total():
        write_json(book.folder / "spent" / f"{uuid.uuid4().hex}.json", dict(spent))


if "snakemake" in globals():
    from valley.asking.endpoint import Endpoint
    from valley.asking.local import Local
    from valley.core.config import complete
    from valley.workflow.job import bind, settings

    name, params = snakemake.wildcards.teacher, settings(snakemake)
    declared = complete(snakemake.config)["corpus"]["teachers"][name]
    with bind(snakemake) as job:
        worded = {key: params.pop(key) for key in ("answers", "seed", "prompt")}
        asked = questions(snakemake.input.problems, **worded)
        unanswered = params.pop("unanswered")
        book = Book(snakemake.params.store, {"teacher": params, "seed": worded["seed"]})
        prices = {"price_in": None, "price_out": None}
        if "endpoint" in declared:
            endpoint = declared["endpoint"]
            prices = {key: endpoint[key] for key in prices}
            handling = {key: endpoint[key] for key in HANDLING}

            def engine():
                return Endpoint(**params, **handling)
        else:
            local = {key: item for key, item in params.items() if key != "engine_code"}

            def engine():
                tuning = {key: declared["model"][key] for key in ("batch_size", "vllm")}
                return Local(**local, stop=[], gpus=snakemake.resources.get("gpu", 0), **tuning)

        measured, reasons = ask(asked, book, engine, chunk=declared["chunk"])
        job.measured |= {**measured, **costs(book, **prices), "unanswered": reasons}
        tell(reasons, unanswered)
        write(asked, book, snakemake.output[0], teacher=name)
        job.restored = not measured["asked"]
