"""Any study that its schema admits ends in a report: the fits and figures of unusual ones."""

import copy
import json
import os
from pathlib import Path
from types import SimpleNamespace

import fit
import generated_study
import pytest
import report
import score
from valley.core.files import write_json
from valley.core.study import Study, StudyError
from valley.planning.dag import built
from valley.workflow.contract import task_of

TASKS = (
    *(score.Score, fit.Curve, fit.Contrast, fit.Rates, fit.Learning, fit.Claims),
    *(report.Figure, report.Table, report.Answers, report.Report),
)
RULES = {rule for task in TASKS for rule in task.rules}
BY_SLICE = [{"field": "slice", "a": "easy.any", "b": "hard.any"}]
BY_START = [{"field": "start", "a": "base", "b": "mid"}]
ONE_SAMPLE = {"sampling": {"samples": 1, "max_tokens": 64}, "statistics": {"bootstrap": 100}}
ONE_PROBLEM = {"benchmarks": {"bank": {"bank": {"problems": 1}}}}
HELD_OUT = {"validation": {"share": 0.1}}


def axis(**settings) -> dict:
    """Return the axes of a study with one axis."""
    plain = {"question": "How many?", "recipes": ["distil"], "sizes": [0, 16, 64]}
    return {"axes": {"a": {**plain, **settings}}}


# By what is unusual: what the study file says in place of the generated study's.
STUDIES = {
    "no axis has a curve": axis(),
    "no curve, a contrast": axis(slices=["easy.any", "hard.any"], contrasts=BY_SLICE),
    "no curve, no start, no difficulties": {**axis(sizes=[16]), "starts": {}},
    "no claims": {**axis(curve=True), "claims": {}},
    "only the undistilled student": axis(sizes=[0]),
    "a curve of the undistilled student": axis(sizes=[0], curve=True),
    "a curve of one size": axis(sizes=[16], curve=True),
    "a curve of one size, replicates": axis(sizes=[16], curve=True, seeds=[0, 1]),
    "a curve of two sizes without the start": axis(sizes=[16, 64], curve=True),
    "a forecast below the sizes": axis(curve=True, forecast=3, candidates=[16], target=1),
    "a contrast of the undistilled student": axis(
        sizes=[0], starts=["base", "mid"], contrasts=BY_START
    ),
    "a contrast whose sides are the same arm": axis(
        sizes=[0], slices=["easy.any", "hard.any"], contrasts=BY_SLICE
    ),
    "one sample a problem": {**axis(curve=True), **ONE_SAMPLE},
    "one problem": {**axis(curve=True), **ONE_PROBLEM},
    "one problem, one sample, a contrast": {
        **axis(curve=True, starts=["base", "mid"], contrasts=BY_START),
        **ONE_PROBLEM,
        **ONE_SAMPLE,
    },
    "held-out problems": {**axis(curve=True), **HELD_OUT},
    "held-out problems, no arm is trained": {**axis(sizes=[0], curve=True), **HELD_OUT},
}
LEVELS = {"every answer is wrong": 0.0, "every answer is right": 1.0}


def declared(settings: dict, folder: Path) -> dict:
    """Return a generated study of few problems with settings in place of its own."""
    study = generated_study.config([0, 16, 64, 256], [0], 6, samples=2)
    study["statistics"] = {"bootstrap": 100}
    return copy.deepcopy({**study, **settings, "results": str(folder / "results")})


def finish(folder: Path) -> list[str]:
    """Run all jobs after the verdicts, in this process; return the rules' names, in order."""
    ran = []
    with built(folder / "study.yaml", folder=folder) as workflow:
        for job in (job for level in workflow.dag.toposorted() for job in sorted(level)):
            if job.rule.name == "train":
                write_losses(job)
            if job.rule.name in RULES:
                for path in job.output:
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                task_of(described(job, workflow.config), TASKS).run(None)
                ran.append(job.rule.name)
    return ran


def described(job, config: dict) -> SimpleNamespace:
    """Return what Snakemake gives to a job's script, as far as tasks look at it."""
    names = {name: getattr(job, name) for name in ("input", "output", "params", "wildcards")}
    return SimpleNamespace(rule=job.rule.name, config=config, **names)


def write_losses(job) -> None:
    for path in job.output:
        if path.endswith("validation.json"):
            looks = [{"update": at, "tokens": 100 * at, "loss": 2.0 / (1 + at)} for at in (0, 1, 2)]
            write_json(path, looks)


@pytest.fixture
def folder(tmp_path):
    """A working directory; Snakemake changes to it in this process."""
    before = Path.cwd()
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize("settings", STUDIES.values(), ids=STUDIES)
def test_a_study_of_any_kind_ends_in_a_report(folder, settings):
    layout = generated_study.write(folder, declared(settings, folder))
    ran = finish(folder)
    assert ran[-1] == "report"
    page = Path(layout.root, "report.html").read_text()
    assert "</html>" in page
    assert len(list(Path(layout.root).glob("figures/**/*.svg"))) == page.count("<figure")
    if not layout.curves:
        assert not set(ran) & {"curve", "learning"}


@pytest.mark.long
@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_results_of_any_level_end_in_a_report(folder, level):
    """Rates that never vary have no rank, and their curves no shape."""
    settings = axis(curve=True, starts=["base", "mid"], contrasts=BY_START)
    layout = generated_study.write(folder, declared(settings, folder), right=bool(level))
    assert finish(folder)[-1] == "report"
    scored = json.loads(next(Path(layout.root).glob("scores/**/*.json")).read_text())
    assert scored["overall"]["pass@1"]["estimate"] == level


def test_scores_without_pass_at_1_are_refused(tmp_path):
    settings = {**axis(), "statistics": {"bootstrap": 100, "ks": [2]}}
    with pytest.raises(
        StudyError,
        match=r"statistics.ks: curves, contrasts and claims need pass@1, .* no 1 in \[2\]; add it",
    ):
        Study(declared(settings, tmp_path))
