"""What runs again after an edit, on a really finished smoke study: exactly what must.

Each row is an edit, the jobs that Snakemake then plans by rule, and why these.
"""

import pytest
from edits import (
    code,
    copy_elsewhere,
    damage,
    delete,
    forget,
    forget_sidecars,
    other_versions,
    rewrite,
    study,
    touch_everything,
    valley,
)

# The smoke study: eight trained arms (two sizes and two replicates; two slices from two starts) and
# the undistilled student, answering one benchmark.
ARMS, PLACES, SHARDS = 8, 9, 6
REPORT = {"report": 1}
TABLE = {"table": 1, **REPORT}
CLAIMS = {"claims": 1, **REPORT}
CURVES = {"curve": 1, "figure": 2, **CLAIMS}  # scaling and forecast
RATES = {"rates": 1, "figure": 2, **CLAIMS}  # rates and correlation
CONTRASTS = {"contrast": 1, "forest": 1, **CLAIMS}
STATISTICS = {**CURVES, **RATES, **CONTRASTS, **TABLE, "figure": 4}
READ = {"answers": 1, **TABLE}  # answers to read, and their scores
FITS = {**STATISTICS, **READ}


def scored(places: int, fits: dict = FITS) -> dict:
    """Return the jobs from verdicts on."""
    return {"judge": places, "score": places, **fits}


def answered(places: int, fits: dict = FITS) -> dict:
    """Return the jobs from answers on."""
    return {"generate": places, **scored(places, fits)}


def trained(arms: int, fits: dict = FITS, places: int | None = None) -> dict:
    """Return the jobs from trainings on."""
    return {"train": arms, **answered(places or arms, fits)}


def new(shards: int, arms: int, fits: dict = FITS) -> dict:
    """Return the jobs of new arms, shards included."""
    return {"shard": shards, **trained(arms, fits)}


FROM_POOL = {"pool": 1, "corpus_page": 1, **new(SHARDS, ARMS)}
FROM_LABELS = {"labels": 1, **FROM_POOL}
EVERYTHING = {
    **{"benchmark": 1, "problems": 1, "traces": 1, "pairs": 1, "student": 1},
    **FROM_LABELS,
    **answered(PLACES),
}
SEEDED = EVERYTHING
THIRD = {"recipe": "distil", "slice": "easy.any", "size": 16}
LARGER = ("axes.scaling.sizes", [0, 16, 24, 32])
LOG_TEXT = code("workflow_scripts/train.py", "tokens/s", "tokens a second")
JUDGE = "workflow_scripts/judging/compare.py"

OF_THE_STUDY = [
    ("nothing", [], {}, ""),
    ("a size more", [study(LARGER)], new(2, 2), "its chain for each replicate, and the fits"),
    ("a size less", [study(("axes.scaling.sizes", [0, 32]))], FITS, "nothing but the fits"),
    ("a replicate more", [study(("axes.scaling.seeds", [0, 1, 2]))], new(2, 2), ""),
    ("a replicate less", [study(("axes.scaling.seeds", [0]))], FITS, ""),
    (
        "an axis more",
        [
            study(
                (
                    "axes.correctness",
                    {
                        "question": "Does it matter?",
                        "recipes": ["distil"],
                        "slices": ["all.correct", "all.incorrect"],
                        "sizes": [16],
                        "contrasts": [{"field": "slice", "a": "all.correct", "b": "all.incorrect"}],
                    },
                )
            )
        ],
        new(2, 2, {**CONTRASTS, **READ}),
        "the curve reads none of its arms",
    ),
    ("an axis less", [study(("axes.difficulty", None))], {**CLAIMS, **READ}, "no contrast left"),
    (
        "a student more",
        [
            study(
                (
                    "students.other",
                    {
                        "scratch": {
                            **{"vocabulary": 600, "hidden": 32, "layers": 2, "heads": 2},
                            **{"pairs": 200, "recipe": "answer", "seed": 25},
                        }
                    },
                )
            )
        ],
        {
            "pairs": 1,
            "student": 1,
            **trained(ARMS, places=PLACES),
        },
        "its arms share the shards; the first student's curve stays",
    ),
    (
        "a benchmark more",
        [study(("benchmarks.more", {"bank": {"problems": 12, "seed": 29}}))],
        {
            "benchmark": 1,
            **FROM_POOL,
            **answered(2 * PLACES - 1, {**FITS, "figure": 8}),
            **{"curve": 2, "contrast": 2, "rates": 2, "claims": 2, "forest": 2, "answers": 2},
        },
        "the pool is cleaned of its problems too; what the pool leaves as it was comes from the "
        "store",
    ),
    (
        "a start more",
        [study(("starts.late", THIRD), ("axes.difficulty.starts", ["base", "mid", "late"]))],
        trained(2, {**CONTRASTS, **READ}),
        "shards are there already",
    ),
    ("the temperature", [study(("sampling.temperature", 0.9))], answered(PLACES), ""),
    (
        "more samples",
        [study(("sampling.samples", 3))],
        answered(PLACES),
        "only the new are sampled",
    ),
    ("longer answers", [study(("sampling.max_tokens", 65))], answered(PLACES), ""),
    (
        "answers side by side",
        [study(("sampling.batch_size", 7))],
        REPORT,
        "only how fast they come, and the report says so",
    ),
    (
        "the learning rate of the arms",
        [study(("recipes.distil.learning_rate", 0.02))],
        trained(ARMS),
        "not the student: it has a recipe of its own",
    ),
    ("their epochs", [study(("recipes.distil.epochs", 3))], trained(ARMS), ""),
    (
        "two settings that swap their values",
        [study(("recipes.distil.max_length", 256), ("recipes.distil.row_tokens", 512))],
        trained(ARMS),
        "params are compared by name; as a bare set of values they would be the same",
    ),
    (
        "the learning rate of the student",
        [study(("recipes.answer.learning_rate", 0.02))],
        {"student": 1, **trained(ARMS, places=PLACES)},
        "every arm starts from it",
    ),
    ("the k of pass@k", [study(("statistics.ks", [1, 2]))], {"score": PLACES, **TABLE}, ""),
    (
        "the margin",
        [study(("statistics.margin", 0.05))],
        {**CURVES, **CONTRASTS},
        "neither rates nor scores know it",
    ),
    (
        "resamples",
        [study(("statistics.bootstrap", 300))],
        {"score": PLACES, **STATISTICS},
        "scores have intervals too",
    ),
    ("a target of the curve", [study(("axes.scaling.target", 0.3))], CURVES, ""),
    ("a question", [study(("axes.scaling.question", "Why?"))], REPORT, ""),
    ("a note", [study(("note", "Numbers mean nothing."))], REPORT, ""),
    (
        "what has no bearing on results",
        [study(("resume", "keep"), ("retention", "starts"), ("on_new_versions", "rerun"))],
        {},
        "",
    ),
    (
        "frozen arms, and their learning rate",
        [study(("frozen", ["tiny/distil/*"]), ("recipes.distil.learning_rate", 0.02))],
        REPORT,
        "nothing makes them; the report shows the recipes",
    ),
    (
        "frozen arms, and the student's learning rate",
        [study(("frozen", ["tiny/distil/*"]), ("recipes.answer.learning_rate", 0.02))],
        {"student": 1, **answered(1)},
        "only the student is trained, and answers anew",
    ),
    (
        "a frozen start, and the learning rate",
        [
            study(
                ("frozen", ["tiny/distil/base/all.any/n32-*"]),
                ("recipes.distil.learning_rate", 0.02),
            )
        ],
        trained(ARMS - 2),
        "what starts from it is trained anew",
    ),
    (
        "untrusted problems left out",
        [study(("judge.untrusted", "leave_out"))],
        scored(PLACES),
        "labels don't ask",
    ),
    (
        "the teacher's mistakes",
        [study(("corpus.teachers.procedural.mistakes", 0.5))],
        {"traces": 1, **FROM_LABELS},
        "the undistilled student has seen none of them",
    ),
    ("the study renamed", [study(("study", "renamed"))], EVERYTHING, "all costly from the store"),
    (
        "a difficulty renamed",
        [
            study(
                ("corpus.difficulties", {"simple": ["easy"], "hard": ["medium", "hard"]}),
                ("axes.difficulty.slices", ["simple.any", "hard.any"]),
                (
                    "axes.difficulty.contrasts",
                    [{"field": "slice", "a": "simple.any", "b": "hard.any"}],
                ),
            )
        ],
        FROM_POOL,
        "rows of the pool hold the name; prompts and answers don't, so trainings on the same rows "
        "still see other bytes",
    ),
]

OF_THE_CODE = [
    (
        "a comment",
        [code("workflow_scripts/train.py", "def train(", "# a word\ndef train(")],
        {},
        "",
    ),
    (
        "a docstring",
        [code("workflow_scripts/shards.py", '"""Return an example', '"""Give an example')],
        {},
        "",
    ),
    (
        "formatting",
        [
            code(
                "workflow_scripts/core/seeds.py",
                'text = "\\x1f".join(',
                'text = "\\x1f".join(\n        ',
            )
        ],
        {},
        "",
    ),
    ("the README", [code("README.md", "#", "# ")], {}, ""),
    (
        "an unused helper",
        [
            code(
                "workflow_scripts/core/seeds.py",
                "def derive",
                "def unused():\n    pass\n\n\ndef derive",
            )
        ],
        {},
        "",
    ),
    (
        "a used helper",
        [code("workflow_scripts/core/seeds.py", ">> 1", ">> 2")],
        SEEDED,
        "every stage that draws",
    ),
    (
        "a rule's memory and message",
        [
            code("rules/train.smk", 'asks("train", "mem_mb")', "8000"),
            code("rules/train.smk", '"Train {', '"Training {'),
        ],
        {},
        "",
    ),
    ("a log text", [LOG_TEXT], {"student": 1, **trained(ARMS, places=PLACES)}, "can't be told"),
    ("a log text, accepted", [LOG_TEXT, valley("accept", "--all")], {}, "told by who knows"),
    (
        "a log text, accepted for the arms",
        [LOG_TEXT, valley("accept", "--rule", "train")],
        {"student": 1, **trained(ARMS, places=PLACES)},
        "the student is made again, and arms start from it",
    ),
    (
        "a log text, accepted, and a setting",
        [LOG_TEXT, valley("accept", "--all"), study(("recipes.distil.epochs", 3))],
        trained(ARMS),
        "accepting hides no other change",
    ),
    (
        "the chat template",
        [code("workflow_scripts/lm/students.py", "<|user|>", "<|asker|>")],
        {"student": 1, **trained(ARMS, places=PLACES)},
        "it is the student's tokenizer's",
    ),
    (
        "the time limit of the bank's problems",
        [code("workflow_scripts/bank/problems.py", '"time_limit_s": 2.0', '"time_limit_s": 3.0')],
        EVERYTHING,
        "it stands in the problems",
    ),
    (
        "the judge's comparison",
        [code(JUDGE, "if got == wanted:", "if bytes(got) == wanted:")],
        {**FROM_LABELS, **scored(PLACES)},
        "whether verdicts change is known when it has run",
    ),
    (
        "a colour",
        [code("workflow_scripts/analysis/style.py", "#0072b2", "#0072b3")],
        {"figure": 4, "forest": 1, **REPORT},
        "",
    ),
    (
        "the report's page",
        [code("workflow_scripts/reporting/templates/report.html.j2", "<h1>", "<h1 >")],
        REPORT,
        "",
    ),
    (
        "libraries moved, and the study says: say",
        [other_versions("checkpoints", "generations")],
        {},
        "the plan says so",
    ),
    (
        "libraries moved, and the study says: rerun",
        [other_versions("checkpoints"), study(("on_new_versions", "rerun"))],
        trained(ARMS),
        "the student's have not moved",
    ),
]

BASE = "tiny/base/bank"
ARM = "checkpoints/tiny/distil/base/hard.any/n16-s0"
OF_FILES = [
    ("every file touched", [touch_everything], {}, "the bytes are the same"),
    ("the pool rewritten as it was", [rewrite("corpus/pool.parquet")], {}, "likewise"),
    ("the study copied elsewhere", [copy_elsewhere], {}, "sidecars go with it"),
    (
        "copied elsewhere, and a setting",
        [study(("sampling.temperature", 0.9)), copy_elsewhere],
        answered(PLACES),
        "sidecars know the settings",
    ),
    ("a fresh clone beside the results", [forget], {}, "nothing of Snakemake's own is needed"),
    (
        "a fresh clone, and edited code",
        [forget, code("workflow_scripts/analysis/style.py", "#0072b2", "#0072b3")],
        {"figure": 4, "forest": 1, **REPORT},
        "",
    ),
    ("sidecars lost", [forget_sidecars], {}, "Snakemake has records of its own"),
    (
        "a verdict file deleted",
        [delete(f"verdicts/{BASE}.parquet")],
        scored(1),
        "the study wants it for itself, and what reads it follows",
    ),
    ("a score deleted", [delete(f"scores/{BASE}.json")], {"score": 1, **TABLE}, ""),
    (
        "a checkpoint deleted",
        [delete(ARM)],
        {},
        "its answers are there: weights are made again for what still has to be made from them",
    ),
    (
        "a checkpoint deleted, and a setting",
        [delete(f"{ARM}/checkpoint.json"), study(("sampling.temperature", 0.9))],
        {"train": 1, **answered(PLACES)},
        "there is something to be made from it",
    ),
    ("labels damaged", [damage("corpus/labels.parquet")], FROM_LABELS, "and mended"),
    ("a score damaged", [damage(f"scores/{BASE}.json")], {"score": 1, **TABLE}, ""),
    (
        "a manifest damaged",
        [damage(f"{ARM}/checkpoint.json")],
        trained(1, {**CONTRASTS, **READ}),
        "",
    ),
]


@pytest.mark.parametrize(
    ("edits", "jobs"),
    [
        pytest.param(edits, jobs, id=name.replace(" ", "-"))
        for name, edits, jobs, _why in [*OF_THE_STUDY, *OF_THE_CODE, *OF_FILES]
    ],
)
def test_an_edit_runs_what_it_bears_on(desk, edits, jobs):
    for edit in edits:
        edit(desk)
    assert desk.plan() == ({**jobs, "all": 1} if jobs else {})
