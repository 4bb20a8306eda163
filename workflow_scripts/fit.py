"""Fit curves, contrasts, interactions, rates and claims from arms' verdicts and generations.

Arms are mappings: what tells them apart, and the paths of their results. The fits themselves, and
what they mean, are in `valley.analysis.fitting`.
"""

from pathlib import Path

from valley.core.files import write_json
from valley.core.spending import EXAMPLES
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job


@task
class Curve(Task):
    """One axis with a grid of sizes: one student, recipe, start and slice.

    Attributes:
        problems: the benchmark.
        results: generations and verdicts of the arms.
        spent: what says what the arms spent, where the curve is over that.
        out: the curve, as JSON.
        arms: its arms; the start is size 0.
        title: of the figure.
        margin: smallest difference in pass@1 that matters.
        bootstrap: draws of an interval.
        seed: of these draws.
        target: a level of pass@1 whose size is asked for.
        forecast: a larger size to predict; None is the next on the grid.
        candidates: sizes that could be run next.
        noise_arms: arms of other axes with replicates, where this curve has none of its own.
        training_noise: what the study file says of it, where there are no replicates at all.
        x: what the curve is drawn over, see `valley.core.spending`.
    """

    rules = ("curve",)

    problems: Path = reads()
    results: list[Path] = reads()
    spent: list[Path] = reads(())
    out: Path = writes()
    arms: list[dict] = param()
    title: str = param()
    margin: float = param("statistics.margin")
    bootstrap: int = param("statistics.bootstrap")
    seed: int = param("statistics.seed")
    target: float | None = param("axes.{axis}.target", None)
    forecast: int | None = param("axes.{axis}.forecast", None)
    candidates: list[int] | None = param("axes.{axis}.candidates", None)
    noise_arms: list[dict] = param(default=())
    training_noise: float | None = param("statistics.training_noise", None)
    x: str = param("axes.{axis}.x", EXAMPLES)

    def run(self, job: Job) -> None:
        from valley.analysis import fitting

        write_json(self.out, fitting.curve(problems=self.problems, **self.settings()))


@task
class Across(Task):
    """Several students of one axis, recipe, start and slice together: lines and a joint fit.

    Attributes:
        problems: the benchmark.
        results: generations and verdicts of the arms.
        manifests: of the arms' checkpoints and of their students.
        out: lines and joint fit, as JSON.
        arms: those of all students.
        title: of the figure.
        x: flops or parameters.
        bootstrap: draws of an interval.
        seed: of these draws.
        parameters: of students whose files don't tell.
        noise_arms: arms of other axes with replicates, where these have none.
        training_noise: what the study file says of it, where there are no replicates at all.
    """

    rules = ("across",)

    problems: Path = reads()
    results: list[Path] = reads()
    manifests: list[Path] = reads()
    out: Path = writes()
    arms: list[dict] = param()
    title: str = param()
    x: str = param("axes.{axis}.x")
    bootstrap: int = param("statistics.bootstrap")
    seed: int = param("statistics.seed")
    parameters: dict | None = param("estimates.parameters", None)
    noise_arms: list[dict] = param(default=())
    training_noise: float | None = param("statistics.training_noise", None)

    def run(self, job: Job) -> None:
        from valley.analysis import across

        write_json(self.out, across.across(problems=self.problems, **self.settings()))


@task
class Contrast(Task):
    """The paired differences a - b in pass@1, at each setting that has both and pooled.

    Attributes:
        problems: the benchmark.
        results: generations and verdicts of the arms.
        out: the contrast, as JSON.
        arms: those of the axis.
        noise_arms: arms with replicates, which tell how much training noise there is.
        field: what a and b differ in: slice, recipe or start.
        a: one side.
        b: the other.
        title: of the figure.
        margin: smallest difference in pass@1 that matters.
        bootstrap: draws of an interval.
        seed: of these draws.
        training_noise: what the study file says of it, where there are no replicates at all.
    """

    rules = ("contrast",)

    problems: Path = reads()
    results: list[Path] = reads()
    out: Path = writes()
    arms: list[dict] = param()
    noise_arms: list[dict] = param()
    field: str = param()
    a: str = param()
    b: str = param()
    title: str = param()
    margin: float = param("statistics.margin")
    bootstrap: int = param("statistics.bootstrap")
    seed: int = param("statistics.seed")
    training_noise: float | None = param("statistics.training_noise", None)

    def run(self, job: Job) -> None:
        from valley.analysis import fitting

        write_json(self.out, fitting.contrast(problems=self.problems, **self.settings()))


@task
class Interaction(Task):
    """The differences between two contrasts, at each setting that has all four arms and pooled.

    Attributes:
        problems: the benchmark.
        results: generations and verdicts of the arms.
        out: the interaction, as JSON.
        arms: those of the axis.
        noise_arms: arms with replicates, which tell how much training noise there is.
        name: of the interaction.
        declared: what the study file says it is.
        title: of the figure.
        margin: smallest difference in pass@1 that matters.
        bootstrap: draws of an interval.
        seed: of these draws.
        training_noise: what the study file says of it, where there are no replicates at all.
    """

    rules = ("interaction",)

    problems: Path = reads()
    results: list[Path] = reads()
    out: Path = writes()
    arms: list[dict] = param()
    noise_arms: list[dict] = param()
    name: str = param()
    declared: dict = param("axes.{axis}.interactions.{name}")
    title: str = param()
    margin: float = param("statistics.margin")
    bootstrap: int = param("statistics.bootstrap")
    seed: int = param("statistics.seed")
    training_noise: float | None = param("statistics.training_noise", None)

    def run(self, job: Job) -> None:
        from valley.analysis import fitting

        write_json(self.out, fitting.interaction(problems=self.problems, **self.settings()))


@task
class Rates(Task):
    """Levels of every rate by size, and the rank correlations of F4.

    Attributes:
        problems: the benchmark.
        results: generations and verdicts of the arms.
        out: the rates, as JSON.
        arms: those of every axis that has a curve.
        title: of the figure.
        bootstrap: draws of an interval.
        seed: of these draws.
        training_noise: what the study file says of it, where there are no replicates at all.
    """

    rules = ("rates",)

    problems: Path = reads()
    results: list[Path] = reads()
    out: Path = writes()
    arms: list[dict] = param()
    title: str = param()
    bootstrap: int = param("statistics.bootstrap")
    seed: int = param("statistics.seed")
    training_noise: float | None = param("statistics.training_noise", None)

    def run(self, job: Job) -> None:
        from valley.analysis import fitting

        write_json(self.out, fitting.rates(problems=self.problems, **self.settings()))


@task
class Learning(Task):
    """The losses on held-out problems of one curve's arms.

    Attributes:
        losses: of the arms.
        out: all of them, as JSON.
        arms: size, seed and the path of the losses of each.
        title: of the figure.
    """

    rules = ("learning",)

    losses: list[Path] = reads()
    out: Path = writes()
    arms: list[dict] = param()
    title: str = param()

    def run(self, job: Job) -> None:
        from valley.analysis import fitting

        write_json(self.out, fitting.learning(**self.settings()))


@task
class Claims(Task):
    """Each declared claim judged: its status, rule, estimate, interval and sentence.

    Attributes:
        curves: fitted on one benchmark.
        contrasts: likewise, and interactions.
        rates: likewise.
        out: the claims, as JSON.
        claims: as the study file declares them.
    """

    rules = ("claims",)

    curves: list[Path] = reads()
    contrasts: list[Path] = reads()
    rates: Path | None = reads()
    out: Path = writes()
    claims: dict = param("claims")

    def run(self, job: Job) -> None:
        from valley.analysis import fitting

        judged = fitting.claims(self.curves, self.contrasts, self.rates, claims=self.claims)
        write_json(self.out, judged)


if "snakemake" in globals():
    execute(snakemake, Curve, Contrast, Interaction, Rates, Learning, Claims, Across)
