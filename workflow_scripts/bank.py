"""Problems of the bundled generator, the procedural teacher's traces, and direct answers."""

from pathlib import Path

from valley.core import prompts
from valley.core.files import POOL, PROBLEM, read_parquet, write_parquet
from valley.core.seeds import derive
from valley.core.text import tokens
from valley.core.traces import trace_row
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job

TEXTS = 2000  # traces that only a new student's tokenizer sees


@task
class Problems(Task):
    """Problems of the bundled generator.

    Attributes:
        out: the problems.
        number: how many; more of them extend fewer.
        seed: of the generator.
        split: part of all problems; parts share no behaviour.
        form: "stdin", programs that read and print, or "function".
        steps: numbers of steps that solutions may take (1 to 5); None is all.
    """

    rules = ("benchmark", "problems")

    out: Path = writes()
    number: int = param()
    seed: int = param()
    split: str = param()
    form: str = param(default="stdin")
    steps: list[int] | None = param(default=None)

    def run(self, job: Job) -> None:
        from valley.bank import problems

        rows = problems.generate(
            self.number,
            self.seed,
            self.split,
            steps=problems.step_weights(self.steps),
            form=self.form,
        )
        write_parquet(self.out, rows, PROBLEM)


@task
class Traces(Task):
    """The procedural teacher's answer to every problem, as pool rows without labels.

    Attributes:
        problems: of the corpus.
        out: the traces.
        teacher: the teacher's name.
        mistakes: share of answers in which it goes wrong.
        seed: of its wording and its mistakes.
    """

    rules = ("traces",)

    problems: Path = reads()
    out: Path = writes()
    mistakes: float = param("corpus.teachers.{teacher}.mistakes")
    seed: int = param("corpus.teachers.{teacher}.seed")

    def run(self, job: Job) -> None:
        from valley.bank import teacher as procedural

        name, rows = job.wildcards["teacher"], []
        for problem in read_parquet(self.problems):
            seed = derive("trace", name, self.seed, problem["id"])
            rows.append(answered(problem, procedural.trace(problem, seed, self.mistakes), name))
        write_parquet(self.out, rows, POOL)


@task
class Pairs(Task):
    """What a student made here learns before the study, from problems of its own.

    Attributes:
        pairs: direct answers, without reasoning: its training set.
        text: traces on other problems; only the tokenizer sees them, as a large model's tokenizer
            has seen text of all kinds.
        number: how many pairs.
        seed: of the problems.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
    """

    rules = ("pairs",)

    pairs: Path = writes()
    text: Path = writes()
    number: int = param("students.{student}.scratch.pairs")
    seed: int = param("students.{student}.scratch.seed")
    prompt: list[str] | None = param()

    def run(self, job: Job) -> None:
        from valley.bank import problems, teacher

        def worded(row: dict) -> dict:
            statement = prompts.compose(self.prompt, row["statement"], row["starter_code"])
            return {**row, "statement": statement}

        solved = problems.generate(self.number, self.seed, "base")
        direct = [answered(worded(row), teacher.direct(row), "direct") for row in solved]
        write_parquet(self.pairs, direct, POOL)
        texts = []
        for row in solved[:TEXTS]:
            trace = teacher.trace(row, derive("text", self.seed, row["id"]), 0.3)
            texts.append(answered(worded(row), trace, "text"))
        write_parquet(self.text, texts, POOL)


def answered(problem: dict, response: str, teacher: str) -> dict:
    """Return the pool row of a teacher's only answer to a problem."""
    own = {"id": f"{problem['id']}/{teacher}", "teacher": teacher, "tokens": tokens(response)}
    return trace_row(problem, response, **own)


if "snakemake" in globals():
    execute(snakemake, Problems, Traces, Pairs)
