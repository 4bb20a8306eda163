"""Judge programs: a benchmark's generations, and the traces of a training corpus."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from valley.core.files import (
    LABEL,
    VERDICT,
    merged_rows,
    parquet_batches,
    parquet_stream,
    read_parquet,
    stream_rows,
    write_json,
    write_parquet,
)
from valley.core.parts import Part, owns
from valley.judging import isolation as isolating
from valley.judging.answers import Extraction, asked_of, extract_program
from valley.judging.batch import Task as Program
from valley.judging.batch import judge
from valley.judging.options import JudgeOptions
from valley.judging.packages import missing_package
from valley.judging.programs import Programs
from valley.judging.reasoning import table
from valley.judging.verdicts import ACCEPTED, JUDGE_ERROR, NO_CODE, VERDICTS, Verdict
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

TIMES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int64()),
        ("cpu_s", pa.float64()),
        ("wall_s", pa.float64()),
        ("peak_mb", pa.float64()),
    ]
)

PORTION = 64 << 20  # bytes of problems that are held at once


@task
class Judge(Task):
    """Every answer of a checkpoint to a benchmark judged; measurements lie beside the verdicts.

    Verdicts depend on the programs and problems only. Memory holds the answers, and a portion of
    the problems.

    Attributes:
        problems: the benchmark.
        generations: the answers.
        verdicts: what became of their programs.
        options: how they are judged. Where the extraction that does not count finds other programs,
            these are judged, too, and the verdicts have one more column, `published_verdict` or
            `robust_verdict`.
        form: of the benchmark's published files; None where it was made here.
        store: root of the store: verdicts of programs are kept there.
    """

    rules = ("judge",)

    problems: Path = reads()
    generations: Path = reads()
    verdicts: Path = writes()
    options: JudgeOptions = param(
        "judge",
        JudgeOptions(),
        only=("isolation", "untrusted", "extraction", "reasoning", "packages"),
    )
    form: str | None = param(default=None)
    store: Path | None = option(default=None)

    def run(self, job: Job) -> dict:
        """Judge; return counts by verdict, and the tier of isolation."""
        rows = read_parquet(self.generations, columns=["problem_id", "sample", "text"])
        rows.sort(key=lambda row: (row["problem_id"], row["sample"]))
        indices: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            indices.setdefault(row["problem_id"], []).append(index)
        found: dict[int, Verdict] = {}
        others: dict[int, str] = {}
        finding = Extraction.of(self.options.extraction, self.form, self.options.reasoning)
        doubtful, left_out = 0, 0

        def settle(portion: dict[str, dict | None]) -> None:
            tasks = []
            for name, problem in portion.items():
                for index in indices.pop(name, ()):
                    program, other = finding.both(rows[index]["text"], problem)
                    tasks.append(Program((index, True), program, problem))
                    if other != program:
                        tasks.append(Program((index, False), other, problem))
            judged = _judged(tasks, self, job.threads) if tasks else []
            for program, verdict in zip(tasks, judged, strict=True):
                index, counts = program.key
                if counts:
                    found[index] = verdict
                else:
                    others[index] = verdict.verdict

        for portion in _portions(self.problems):
            untold = [name for name, problem in portion.items() if problem.get("trusted") is False]
            doubtful += len(untold)
            if self.options.untrusted == "leave_out":
                left_out += sum(len(indices.pop(name, ())) for name in untold)
            settle(portion)
        settle(dict.fromkeys([*indices]))  # answers to problems that are not known
        keyed = [
            {name: rows[index][name] for name in ("problem_id", "sample")} | vars(verdict)
            for index, verdict in sorted(found.items())
        ]
        schema = VERDICT
        if others:
            schema = schema.append(pa.field(f"{finding.other}_verdict", pa.string()))
            for index, row in zip(sorted(found), keyed, strict=True):
                row[schema.names[-1]] = others.get(index)
        _write(self.verdicts, keyed, schema)
        _write(self.verdicts.with_suffix(".times.parquet"), keyed, TIMES)
        words = [verdict.verdict for verdict in found.values()]
        counted = {"untrusted_problems": doubtful, "answers_left_out": left_out}
        if others:
            counted["programs_that_extractions_differ_in"] = len(others)
        lacking = Counter(filter(None, (missing_package(v.detail) for v in found.values())))
        if lacking:
            counted["programs_without_a_package"] = dict(sorted(lacking.items()))
        return {**_summary(words, self.options.isolation), **counted}


@task
class JudgePart(Judge):
    """One job's part of a benchmark's programs judged; `judge` finds their verdicts in the store.

    A program's part follows from its problem and its text, so equal programs are judged once, and
    added samples or problems move no other.

    Attributes:
        verdicts: how many programs came to each verdict.
    """

    rules = ("judge_part",)

    def run(self, job: Job) -> dict:
        """Judge; return counts by verdict, and the tier of isolation.

        Raises:
            ValueError: there is no store.
        """
        part = _part(job, self.store)
        finding = Extraction.of(self.options.extraction, self.form, self.options.reasoning)
        texts: dict[str, list[str]] = defaultdict(list)
        for row in read_parquet(self.generations, columns=["problem_id", "text"]):
            texts[row["problem_id"]].append(row["text"])

        def owned(name: str, problem: dict) -> Iterator[Program]:
            if self.options.untrusted == "leave_out" and problem.get("trusted") is False:
                return
            found = (finding.both(text, problem) for text in texts.get(name, ()))
            for program in {one: None for both in found for one in both}:
                if program and _owns(part, name, program):
                    yield Program(name, program, problem)

        words = []
        for portion in _portions(self.problems):
            programs = [one for name, problem in portion.items() for one in owned(name, problem)]
            words += [verdict.verdict for verdict in _judged(programs, self, job.threads)]
        return _counted(words, self.options.isolation, self.verdicts)


@task
class Labels(Task):
    """Each trace of the corpus labelled by what its program does.

    A trace whose program the judge could not judge is labelled null, not false. Programs lie on
    disk meanwhile and are judged a portion of the problems at a time: memory holds that portion,
    the problems' names and a byte a trace.

    Attributes:
        problems: of the corpus.
        traces: of all teachers.
        labels: by trace.
        options: how their programs are judged; they are found by the robust extraction.
        store: root of the store: verdicts of programs are kept there.
    """

    rules = ("labels",)

    problems: Path = reads()
    traces: list[Path] = reads()
    labels: Path = writes()
    options: JudgeOptions = param(
        "judge", JudgeOptions(), only=("isolation", "reasoning", "packages")
    )
    store: Path | None = option(default=None)

    def run(self, job: Job) -> dict:
        """Label; return counts by verdict, and the tier of isolation."""
        found = bytearray()
        families = table(self.options.reasoning)
        names = stream_rows(self.problems, ["id", "function_name"])
        asked = {row["id"]: asked_of(row) for row in names}
        with Programs() as programs:
            for row in merged_rows(self.traces, ["id", "problem_id", "response"]):
                program = extract_program(row["response"], asked.get(row["problem_id"]), families)
                found.append(VERDICTS.index(JUDGE_ERROR if program else NO_CODE))
                if program:
                    programs.add(len(found) - 1, row["problem_id"], program)
            for portion in _portions(self.problems):
                waiting = programs.of(portion)
                tasks = [Program(index, program, portion[name]) for index, name, program in waiting]
                judged = _judged(tasks, self, job.threads)
                for program, verdict in zip(tasks, judged, strict=True):
                    found[program.key] = VERDICTS.index(verdict.verdict)
        with parquet_stream(self.labels, LABEL) as stream:
            for row, code in zip(merged_rows(self.traces, ["id"]), found, strict=True):
                word = VERDICTS[code]
                correct = None if word == JUDGE_ERROR else word == ACCEPTED
                stream.write({"id": row["id"], "correct": correct, "verdict": word})
        return _summary([VERDICTS[code] for code in found], self.options.isolation)


@task
class LabelsPart(Labels):
    """One job's part of the traces' programs judged; `labels` finds their verdicts in the store.

    Attributes:
        labels: how many programs came to each verdict.
    """

    rules = ("labels_part",)

    def run(self, job: Job) -> dict:
        """Judge; return counts by verdict, and the tier of isolation.

        Raises:
            ValueError: there is no store.
        """
        part = _part(job, self.store)
        families = table(self.options.reasoning)
        names = stream_rows(self.problems, ["id", "function_name"])
        asked = {row["id"]: asked_of(row) for row in names}
        words = []
        with Programs() as programs:
            for index, row in enumerate(merged_rows(self.traces, ["id", "problem_id", "response"])):
                name = row["problem_id"]
                program = extract_program(row["response"], asked.get(name), families)
                if program and _owns(part, name, program):
                    programs.add(index, name, program)
            for portion in _portions(self.problems):
                waiting = programs.of(portion)
                tasks = [Program(index, program, portion[name]) for index, name, program in waiting]
                words += [verdict.verdict for verdict in _judged(tasks, self, job.threads)]
        return _counted(words, self.options.isolation, self.labels)


def _part(job: Job, store: Path | None) -> Part:
    """Return the part that a job is of; ValueError if there is no store to leave verdicts in."""
    if store is None:
        raise ValueError(
            "judge.jobs: parts of the programs are judged into the store, and this job has none; "
            "give it a store, or judge all programs in one job (`jobs: 1`)"
        )
    return Part.named(job.wildcards["part"])


def _owns(part: Part, problem: str, program: str) -> bool:
    """Tell whether a program is a part's; a program may hold what UTF-8 proper has no bytes for."""
    return owns(part, problem, hashlib.sha256(program.encode("utf-8", "surrogatepass")).hexdigest())


def _counted(words: list[str], isolation: str, out: Path) -> dict:
    """Write how many of a part's programs came to each verdict; return that and the isolation."""
    found = _summary(words, isolation)
    write_json(out, {name: found[name] for name in ("programs", "verdicts")})
    return found


def _portions(problems: Path) -> Iterator[dict[str, dict]]:
    """Yield problems by id, about PORTION bytes of them at a time."""
    seen: set[str] = set()
    portion: dict[str, dict] = {}
    held = 0
    for batch in parquet_batches(problems, rows=16):
        for row in batch.to_pylist():
            if row["id"] in seen:
                raise ValueError(f"{problems}: id: {row['id']!r} is there twice; give each its own")
            seen.add(row["id"])
            portion[row["id"]] = row
        held += batch.nbytes
        if held >= PORTION:
            yield portion
            portion, held = {}, 0
    if portion:
        yield portion


def _judged(programs: list[Program], how: Judge | Labels, jobs: int) -> list[Verdict]:
    """Judge with a progress bar, silent where nobody watches."""
    from tqdm import tqdm

    with tqdm(total=len(programs), unit="program", disable=None) as bar:
        return judge(
            programs,
            isolation=how.options.isolation,
            jobs=jobs,
            cache=how.store and how.store / "programs",
            packages=how.options.packages,
            packages_in=how.store and how.store / "packages",
            each=lambda _index, _verdict: bar.update(),
        )


def _write(path: Path, rows: list[dict], schema: pa.Schema) -> None:
    names = schema.names
    write_parquet(path, [{name: row[name] for name in names} for row in rows], schema)


def _summary(words: list[str], isolation: str) -> dict:
    counts = Counter(words)
    tier = isolating.tier(isolation)
    return {
        "programs": len(words),
        "verdicts": {word: counts[word] for word in VERDICTS if counts[word]},
        "isolation": tier.name,
        "isolation_reason": tier.reason,
    }


if "snakemake" in globals():
    execute(snakemake, Judge, JudgePart, Labels, LabelsPart)
