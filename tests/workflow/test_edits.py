"""What runs again after an edit of the study file, on a finished smoke study: exactly what must.

Each row is an edit, the jobs that Snakemake then plans by rule, and why these.
"""

import pytest
from edits import LATER, study
from smoke_jobs import (
    ARMS,
    CHECKPOINTS,
    CLAIMS,
    CONTRASTS,
    CURVES,
    EVERYTHING,
    FITS,
    FROM_LABELS,
    FROM_POOL,
    READ,
    REPORT,
    STATISTICS,
    TABLE,
    answered,
    new,
    scored,
    trained,
)

THIRD = {"recipe": "distil", "slice": "easy.any", "size": 16}
BANK = {"problems": 24, "seed": 23}
LARGER = ("axes.scaling.sizes", [0, 16, 24, 32])
EDITS = [
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
            **trained(ARMS, checkpoints=CHECKPOINTS),
        },
        "its arms share the shards; the first student's curve stays",
    ),
    (
        "a benchmark more",
        [study(("benchmarks.more", {"bank": {"problems": 12, "seed": 29}}))],
        {
            "benchmark": 1,
            **FROM_POOL,
            **answered(2 * CHECKPOINTS - 1, {**FITS, "figure": 8}),
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
    ("the temperature", [study(("sampling.temperature", 0.9))], answered(CHECKPOINTS), ""),
    (
        "more samples",
        [study(("sampling.samples", 3))],
        answered(CHECKPOINTS),
        "only the new are sampled",
    ),
    ("longer answers", [study(("sampling.max_tokens", 65))], answered(CHECKPOINTS), ""),
    (
        "longer answers on one benchmark",
        [study(("benchmarks.bank.sampling", {"max_tokens": 65}))],
        answered(CHECKPOINTS),
        "as if the study said so: it has no other",
    ),
    (
        "the same problems once more, with another budget",
        [study(("benchmarks.long", {"bank": BANK, "sampling": {"max_tokens": 96}}))],
        {"benchmark": 1, **answered(CHECKPOINTS), "answers": 2},
        "the pool avoids these problems already: no shard is cut again, and nothing is trained",
    ),
    (
        "an interaction more",
        [study(("axes.difficulty.interactions", LATER))],
        {"interaction": 1, "forest": 1, **CLAIMS},
        "of arms that are there",
    ),
    (
        "a curve over tokens",
        [study(("axes.scaling.x", "tokens"))],
        CURVES,
        "checkpoints say how many they were trained on",
    ),
    (
        "answers side by side",
        [study(("sampling.batch_size", 7))],
        REPORT,
        "only how fast they come, and the report says so",
    ),
    (
        "answers in two jobs",
        [study(("sampling.jobs", 2))],
        REPORT,
        "what is answered is in the book, and its files need no parts",
    ),
    (
        "a replicate more, answered in two jobs",
        [study(("axes.scaling.seeds", [0, 1, 2]), ("sampling.jobs", 2))],
        {**new(2, 2), "answer": 4},
        "two for each new arm, none for the others",
    ),
    (
        "programs judged in two jobs",
        [study(("judge.jobs", 2))],
        {},
        "verdicts that are there need no parts, and the report does not say who judged",
    ),
    (
        "a replicate more, judged in two jobs",
        [study(("axes.scaling.seeds", [0, 1, 2]), ("judge.jobs", 2))],
        {**new(2, 2), "judge_part": 4},
        "two for each new arm, none for the others and none for labels",
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
        {"student": 1, **trained(ARMS, checkpoints=CHECKPOINTS)},
        "every arm starts from it",
    ),
    (
        "the student's system message",
        [study(("students.tiny.system", "Answer briefly."))],
        {"student": 1, **trained(ARMS, checkpoints=CHECKPOINTS)},
        "its chain alone: all of it is trained and asked with the message",
    ),
    (
        "another chat template of the student",
        [study(("students.tiny.chat_template", "{{ messages[0].content }}"))],
        {"student": 1, **trained(ARMS, checkpoints=CHECKPOINTS)},
        "",
    ),
    ("the k of pass@k", [study(("statistics.ks", [1, 2]))], {"score": CHECKPOINTS, **TABLE}, ""),
    (
        "the margin",
        [study(("statistics.margin", 0.05))],
        {**CURVES, **CONTRASTS},
        "neither rates nor scores know it",
    ),
    (
        "resamples",
        [study(("statistics.bootstrap", 300))],
        {"score": CHECKPOINTS, **STATISTICS},
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
        scored(CHECKPOINTS),
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


@pytest.mark.parametrize(
    ("edits", "jobs"),
    [pytest.param(edits, jobs, id=name.replace(" ", "-")) for name, edits, jobs, _why in EDITS],
)
def test_an_edit_runs_what_it_bears_on(desk, edits, jobs):
    for edit in edits:
        edit(desk)
    assert desk.plan() == ({**jobs, "all": 1} if jobs else {})
