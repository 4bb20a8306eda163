"""What runs again after an edit of the code or of results, on a really finished smoke study.

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
from smoke_jobs import (
    ARMS,
    CHECKPOINTS,
    CONTRASTS,
    EVERYTHING,
    FROM_LABELS,
    READ,
    REPORT,
    TABLE,
    answered,
    scored,
    trained,
)

LOG_TEXT = code("workflow_scripts/valley/lm/training.py", "tokens/s", "tokens a second")
JUDGE = "workflow_scripts/valley/judging/compare.py"
OF_THE_CODE = [
    (
        "a comment",
        [code("workflow_scripts/valley/lm/training.py", "def train(", "# a word\ndef train(")],
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
                "workflow_scripts/valley/core/seeds.py",
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
                "workflow_scripts/valley/core/seeds.py",
                "def derive",
                "def unused():\n    pass\n\n\ndef derive",
            )
        ],
        {},
        "",
    ),
    (
        "a used helper",
        [code("workflow_scripts/valley/core/seeds.py", ">> 1", ">> 2")],
        EVERYTHING,
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
    (
        "a log text",
        [LOG_TEXT],
        {"student": 1, **trained(ARMS, checkpoints=CHECKPOINTS)},
        "can't be told",
    ),
    ("a log text, accepted", [LOG_TEXT, valley("accept", "--all")], {}, "told by who knows"),
    (
        "a log text, accepted for the arms",
        [LOG_TEXT, valley("accept", "--rule", "train")],
        {"student": 1, **trained(ARMS, checkpoints=CHECKPOINTS)},
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
        [code("workflow_scripts/valley/lm/students.py", "<|user|>", "<|asker|>")],
        {"student": 1, **trained(ARMS, checkpoints=CHECKPOINTS)},
        "it is the student's tokenizer's",
    ),
    (
        "the time limit of the bank's problems",
        [
            code(
                "workflow_scripts/valley/bank/problems.py",
                '"time_limit_s": 2.0',
                '"time_limit_s": 3.0',
            )
        ],
        EVERYTHING,
        "it stands in the problems",
    ),
    (
        "the judge's comparison",
        [code(JUDGE, "if got == wanted:", "if bytes(got) == wanted:")],
        {**FROM_LABELS, **scored(CHECKPOINTS)},
        "whether verdicts change is known when it has run",
    ),
    (
        "a colour",
        [code("workflow_scripts/valley/analysis/style.py", "#0072b2", "#0072b3")],
        {"figure": 4, "forest": 1, **REPORT},
        "",
    ),
    (
        "the report's page",
        [code("workflow_scripts/valley/pages/templates/report.html.j2", "<h1>", "<h1 >")],
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
        answered(CHECKPOINTS),
        "sidecars know the settings",
    ),
    ("a fresh clone beside the results", [forget], {}, "nothing of Snakemake's own is needed"),
    (
        "a fresh clone, and edited code",
        [forget, code("workflow_scripts/valley/analysis/style.py", "#0072b2", "#0072b3")],
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
        {"train": 1, **answered(CHECKPOINTS)},
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("edits", "jobs"),
    [
        pytest.param(edits, jobs, id=name.replace(" ", "-"))
        for name, edits, jobs, _why in [*OF_THE_CODE, *OF_FILES]
    ],
)
def test_an_edit_runs_what_it_bears_on(desk, edits, jobs):
    for edit in edits:
        edit(desk)
    assert desk.plan() == ({**jobs, "all": 1} if jobs else {})
