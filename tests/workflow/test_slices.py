"""Declared slices, through the whole workflow: what runs again after an edit, what pages show."""

import json
import shutil

import pytest
from edits import code, study
from valley.core.files import read_parquet
from valley.core.sidecars import provenance
from workspace import Workspace

pytestmark = pytest.mark.long
SCRIPT = """
def transform(row, random):
    return {**row, "response": row["response"].replace("Plan", "My plan")}
"""
LINES = {"separator": "\n"}
SLICES = {
    "shuffled": {"of": "all.correct", "transform": "shuffle-steps", **LINES},
    "fewer": {"of": "shuffled", "transform": {"delete-steps": 0.5}, **LINES},
    "own": {"of": "all.correct", "transform": {"script": "own.py"}},
    "mixed": {"mix": {"own": 0.25, "all.correct": 0.75}},
}
STRUCTURE = {
    "question": "Does the order of steps matter?",
    "recipes": ["distil"],
    "slices": ["all.correct", "shuffled", "fewer", "mixed"],
    "sizes": [16],
    "contrasts": [{"field": "slice", "a": "shuffled", "b": "all.correct"}],
}
PAGES = {"corpus_page": 1, "report": 1}


def sliced(folder) -> Workspace:
    """Run a study with declared slices."""
    workspace = Workspace(folder)
    config = workspace.smoke()
    config["slices"], config["axes"], config["starts"] = SLICES, {"structure": STRUCTURE}, {}
    config["benchmarks"]["bank"]["bank"]["problems"] = 6
    (workspace.folder / "own.py").write_text(SCRIPT)
    workspace.write(config)
    workspace.snakemake("--cores", "2")
    return workspace


@pytest.fixture(scope="module")
def made(shared) -> Workspace:
    """A finished study with declared slices; tests must leave it as they found it."""
    return shared.made("slices", sliced)


class Sliced(Workspace):
    """A copy of the finished study; `smoke` is its own study file, which edits begin with."""

    @staticmethod
    def smoke() -> dict:
        config = Workspace.smoke()
        config["slices"], config["axes"] = json.loads(
            json.dumps([SLICES, {"structure": STRUCTURE}])
        )
        config["starts"] = {}
        config["benchmarks"]["bank"]["bank"]["problems"] = 6
        return config


@pytest.fixture
def desk(made, tmp_path) -> Sliced:
    shutil.copytree(made.folder, tmp_path / "copy")
    workspace = Sliced(tmp_path / "copy")
    workspace.clone(tmp_path / "repository")
    return workspace


def written(text):
    return lambda desk: (desk.folder / "own.py").write_text(text)


def edited(desk, *edits) -> dict:
    for edit in edits:
        edit(desk)
    plan = desk.plan()
    plan.pop("all", None)
    return plan


def chain(arms: int, slices: int, **more: int) -> dict:
    """Return the jobs from slices to the report."""
    shards = {"declared_shard": arms, "train": arms, "generate": arms, "judge": arms, "score": arms}
    return {"slice": slices, **shards, "answers": 1, "table": 1, **PAGES, **more}


# A contrast reads all arms of its axis: they tell how much training noise there is.
CONTRAST = {"contrast": 1, "forest": 1, "claims": 1}
BARE = {"question": "Does it need reasoning?", "recipes": ["distil"], "sizes": [16]}
NEW = {"of": "all.correct", "transform": "remove-reasoning"}
EDITS = [
    ("nothing", [], {}),
    ("a slice more in no axis", [study(("slices.new", NEW))], {"report": 1}),
    (
        "a slice more, in an axis of its own",
        [study(("slices.new", NEW), ("axes.bare", {**BARE, "slices": ["new"]}))],
        chain(1, 1),
    ),
    (
        "a slice more, in an axis with a contrast",
        [study(("slices.new", NEW), ("axes.structure.slices", [*STRUCTURE["slices"], "new"]))],
        chain(1, 1, **CONTRAST),
    ),
    ("a label", [study(("slices.shuffled.label", "Steps in another order"))], PAGES),
    (
        "a transform's option, of a slice that no other is made of",
        [study(("slices.fewer.transform", {"delete-steps": 0.25}))],
        chain(1, 1, **CONTRAST),
    ),
    (
        "a seed, of a slice that another is made of",
        [study(("slices.shuffled.seed", 1))],
        chain(2, 2, **CONTRAST),
    ),
    (
        "a share of a mix",
        [study(("slices.mixed.mix", {"own": 0.5, "all.correct": 0.5}))],
        {key: number for key, number in chain(1, 0, **CONTRAST).items() if number},
    ),
    ("a comment in the script", [written("# mine" + SCRIPT)], {}),
    ("the script's logic", [written(SCRIPT.replace("My", "Our"))], chain(1, 1, **CONTRAST)),
    (
        "the code of a transform",
        [
            code(
                "workflow_scripts/valley/slicing/transforms.py",
                "gone = set(chance.sample",
                "gone = set() or set(chance.sample",
            )
        ],
        chain(1, 1, **CONTRAST),
    ),
    (
        "a name",
        [
            study(
                ("slices.fewer", None),
                ("slices.less", SLICES["fewer"]),
                ("axes.structure.slices", ["all.correct", "shuffled", "less", "mixed"]),
            )
        ],
        chain(1, 1, **CONTRAST),
    ),
]


@pytest.mark.parametrize(
    ("edits", "jobs"), [pytest.param(e, j, id=name.replace(" ", "-")) for name, e, j in EDITS]
)
def test_an_edit_of_slices_runs_what_it_bears_on(desk, edits, jobs):
    assert edited(desk, *edits) == jobs


def test_a_renamed_slice_is_neither_trained_nor_asked_again(desk):
    edited(desk, *EDITS[-1][1])
    desk.snakemake("--cores", "2")
    root = desk.folder / "results" / "smoke"
    arm = "tiny/distil/base/less/n16-s0"
    for name in (f"checkpoints/{arm}/checkpoint.json", f"verdicts/{arm}/bank.parquet"):
        assert (root / name).is_file()
    assert provenance(root / f"checkpoints/{arm}/checkpoint.json")["restored"]
    old, new = (root / f"shards/{name}/n16-s0.parquet" for name in ("fewer", "less"))
    assert old.read_bytes() == new.read_bytes()


def test_shards_of_a_contrast_are_paired_and_a_mix_has_its_shares(made):
    root = made.folder / "results" / "smoke" / "shards"
    rows = {name: read_parquet(root / name / "n16-s0.parquet") for name in STRUCTURE["slices"]}
    names = {slice_: [row["id"] for row in shard] for slice_, shard in rows.items()}
    assert names["shuffled"] == names["fewer"] == names["all.correct"]
    assert len(set(names["mixed"])) == 16
    about = provenance(root / "mixed/n16-s0.parquet")
    assert about["measured"]["of_each"] == [4, 12]
    plain = {
        row["id"]: row["response"] for row in read_parquet(root.parent / "corpus/pool.parquet")
    }
    changed = [row for row in rows["mixed"] if row["response"] != plain[row["id"]]]
    assert 0 < len(changed) <= 4, "not every trace says Plan"


def test_pages_show_counts_lengths_and_a_row_before_and_after(made):
    root = made.folder / "results" / "smoke"
    told = json.loads((root / "slices/fewer.json").read_text())
    for page in ("corpus/summary.html", "report.html"):
        text = (root / page).read_text(encoding="utf-8")
        assert "of: shuffled, transform: {delete-steps: 0.5}, separator: \\n" in text
        assert "mix: {own: 0.25, all.correct: 0.75}" in text
        for side in ("before", "after"):
            first = told["example"][side].strip().splitlines()[1]
            assert first.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text
        low, middle, high = (told["tokens"][key] for key in ("low", "median", "high"))
        assert f"{middle} ({low}\N{EN DASH}{high})" in text


def test_a_partial_report_shows_slices_too(made):
    made.valley("report", "study.yaml", "--out", "own.html")
    text = (made.folder / "own.html").read_text(encoding="utf-8")
    assert "Slices that the study declares" in text


def test_where_there_is_a_pool_what_it_lacks_is_said_before_anything_runs(desk):
    study(
        ("slices.x", {"source": "apps"}),
        ("axes.structure.slices", ["x"]),
        ("axes.structure.contrasts", []),
    )(desk)
    said = desk.snakemake("--dry-run", check=False)
    assert "slices.x.source: no trace of the pool has 'apps'; there is: bank" in said
    study(
        ("slices.x", {"tokens": [None, 100]}),
        ("axes.structure.slices", ["x"]),
        ("axes.structure.contrasts", []),
        ("axes.structure.sizes", [100000]),
    )(desk)
    assert "traces, but arms ask for 100000; ask for less" in desk.snakemake(
        "--dry-run", check=False
    )
    study(("slices.own.transform", {"script": "none.py"}))(desk)
    assert "none.py is not there (paths count from" in desk.snakemake("--dry-run", check=False)
