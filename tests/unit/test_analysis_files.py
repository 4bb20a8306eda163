"""From tables to scores, fits, claims and figures: a small study in files, end to end."""

import csv
import json
import re

import numpy as np
import pytest
from fit import Claims, Contrast, Curve, Rates
from score import Score
from valley.analysis import load, plots
from valley.analysis.scoring import TooManyJudgeErrors
from valley.analysis.simulate import Design, draw_arms, valley_truth
from valley.core.files import GENERATION, PROBLEM, VERDICT, read_json, read_parquet, write_parquet
from valley.workflow.job import Job

DESIGN = Design(problems=60, samples=3)
SIZES = [0, 16, 64, 256, 1024, 4096]
COMMON = {"student": "tiny", "recipe": "main"}


def write_arm(folder, name: str, ids, shares, tag_share: float, rng) -> dict:
    generations, verdicts = [], []
    for problem, value in zip(ids, shares, strict=True):
        accepted = round(value * DESIGN.samples)
        for sample in range(DESIGN.samples):
            tagged = rng.random() < tag_share
            generations.append(
                {
                    "problem_id": problem,
                    "sample": sample,
                    "text": "<think>plan</think>\nprint(1)" if tagged else "print(1)",
                    "finish_reason": "stop" if rng.random() < 0.5 + tag_share / 2 else "length",
                    "tokens": 40,
                    "seed": 1,
                }
            )
            verdict = "accepted" if sample < accepted else "wrong_answer"
            verdicts.append({"problem_id": problem, "sample": sample, "verdict": verdict})
    paths = {"generations": folder / f"{name}-g.parquet", "verdicts": folder / f"{name}-v.parquet"}
    write_parquet(paths["generations"], generations, GENERATION)
    write_parquet(paths["verdicts"], verdicts, VERDICT)
    return {key: str(path) for key, path in paths.items()}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(8)
    ids = [f"p{i:02d}" for i in range(DESIGN.problems)]
    problems = folder / "problems.parquet"
    rows = [
        {"id": name, "difficulty": "easy" if i % 2 else "hard", "tests": []}
        for i, name in enumerate(ids)
    ]
    write_parquet(problems, rows, PROBLEM)
    settings = [{"start": "base", "slice": "all.any", "size": n} for n in SIZES]
    levels = list(valley_truth(np.array(SIZES)))
    for start, extra in (("base", 0.0), ("mid", 0.2)):
        for slice_, gap in (("easy.any", 0.1), ("hard.any", 0.0)):
            for n in (64, 1024):
                settings.append({"start": start, "slice": slice_, "size": n})
                levels.append(0.2 + extra + gap)
    runs = [1 if item["size"] == 0 else 2 for item in settings]
    drawn = draw_arms(np.array(levels), runs, DESIGN, rng, fixed=(0,))
    arms = []
    for i, (setting, values) in enumerate(zip(settings, drawn, strict=True)):
        for k, shares in enumerate(values):
            tag = setting["size"] / (setting["size"] + 200)
            paths = write_arm(folder, f"a{i}-{k}", ids, shares, tag, rng)
            seed = k if setting["size"] else None
            arms.append({**COMMON, **setting, "seed": seed, **paths})
    return folder, problems, arms


@pytest.fixture(scope="module")
def fitted(study):
    folder, problems, arms = study
    out = folder / "fits"
    scaling = [arm for arm in arms if arm["slice"] == "all.any"]
    settings = {"bootstrap": 200, "seed": 3}
    files = {"problems": problems, "results": []}
    sides = {"field": "slice", "a": "easy.any", "b": "hard.any", "noise_arms": scaling}
    for task, name, how in (
        (Curve, "curve", {"arms": scaling, "title": "tiny", "margin": 0.02}),
        (Contrast, "contrast", {"arms": arms, "title": "", "margin": 0.02, **sides}),
        (Rates, "rates", {"arms": scaling, "title": "rates"}),
    ):
        task(**files, out=out / f"{name}.json", **how, **settings).run(Job())
    Claims(
        curves=[out / "curve.json"],
        contrasts=[out / "contrast.json"],
        rates=out / "rates.json",
        out=out / "claims.json",
        claims={},
    ).run(Job())
    return out


def test_score_counts_what_is_in_the_tables(study, tmp_path):
    _, problems, arms = study
    arm = arms[-1]
    out = tmp_path / "score.json"
    files = {"problems": problems, **{n: arm[n] for n in ("generations", "verdicts")}}
    Score(**files, out=out, ks=[1, 3, 5], bootstrap=200, seed=1).run(Job())
    value = read_json(out)
    ids, levels = load.problem_table(problems)
    read = load.evaluation(ids, arm["generations"], arm["verdicts"], {})
    assert value["overall"]["pass@1"]["estimate"] == pytest.approx(
        read.accepted.sum() / read.judged.sum(), abs=1e-6
    )
    hard = np.array(levels) == "hard"
    assert value["by_difficulty"]["hard"]["pass@1"]["estimate"] == pytest.approx(
        (read.accepted[hard] / 3).mean(), abs=1e-6
    )
    assert value["by_difficulty"]["hard"]["pass@1"]["problems"] == 30
    assert value["overall"]["pass@1"]["samples"] == 180
    assert value["overall"]["pass@5"]["estimate"] is None
    assert value["overall"]["pass@3"]["estimate"] >= value["overall"]["pass@1"]["estimate"]
    low, high = value["overall"]["pass@1"]["interval"]
    assert low < value["overall"]["pass@1"]["estimate"] < high
    assert value["overall"]["tokens"]["estimate"] == 40
    assert sum(value["verdicts"].values()) == 180
    assert "training noise is not in them" in value["notes"][0]


def test_judge_errors_and_single_samples_are_said(study, tmp_path):
    _, problems, _ = study
    ids, _ = load.problem_table(problems)
    generations = [
        {"problem_id": name, "sample": 0, "text": "", "finish_reason": "stop", "tokens": 1}
        for name in ids
    ]
    verdicts = [
        {"problem_id": name, "sample": 0, "verdict": "judge_error" if i < 6 else "accepted"}
        for i, name in enumerate(ids)
    ]
    write_parquet(tmp_path / "g.parquet", generations, GENERATION)
    write_parquet(tmp_path / "v.parquet", verdicts, VERDICT)
    files = {"generations": tmp_path / "g.parquet", "verdicts": tmp_path / "v.parquet"}
    how = {"ks": [1], "bootstrap": 100, "seed": 1, "max_judge_errors": 0.1}
    Score(problems=problems, **files, out=tmp_path / "s.json", **how).run(Job())
    value = read_json(tmp_path / "s.json")
    assert value["overall"]["pass@1"]["estimate"] == 1.0
    assert value["overall"]["pass@1"]["problems"] == 54
    assert value["overall"]["pass@1"]["interval"][0] < 0.95
    how["max_judge_errors"] = 0.09
    with pytest.raises(TooManyJudgeErrors, match=r"v.parquet: 6 of 60 answers .*\(0.09\)"):
        Score(problems=problems, **files, out=tmp_path / "s.json", **how).run(Job())
    notes = " ".join(value["notes"])
    assert "One sample a problem" in notes and "6 judge errors" in notes
    assert "marked" not in notes

    # Of marked problems it is known that their tests may be of no use: they stop no score.
    rows = read_parquet(problems)
    for row in rows:
        doubtful = row["id"] in ids[3:7]
        row |= {"trusted": not doubtful, "mark": "tests: there are none" if doubtful else None}
    write_parquet(tmp_path / "p.parquet", rows, PROBLEM)
    files["problems"] = tmp_path / "p.parquet"
    how["max_judge_errors"] = 0.05
    Score(**files, out=tmp_path / "s.json", **how).run(Job())
    notes = " ".join(read_json(tmp_path / "s.json")["notes"])
    assert "6 judge errors" in notes and "4 problems are marked" in notes
    how["max_judge_errors"] = 0.04
    with pytest.raises(TooManyJudgeErrors, match=r"v.parquet: 3 of 60 answers .*\(0.04\)"):
        Score(**files, out=tmp_path / "s.json", **how).run(Job())


def test_programs_that_lacked_a_package_are_counted(study, tmp_path):
    _, problems, _ = study
    ids, _ = load.problem_table(problems)
    lacked = {"verdict": "runtime_error"}
    lacked["detail"] = "ModuleNotFoundError: numpy; judge.packages can provide it"
    generations, verdicts = [], []
    for index, name in enumerate(ids):
        row = {"problem_id": name, "sample": 0}
        generations.append({**row, "text": "", "finish_reason": "stop", "tokens": 1})
        verdicts.append(row | (lacked if index < 3 else {"verdict": "accepted", "detail": ""}))
    write_parquet(tmp_path / "g.parquet", generations, GENERATION)
    write_parquet(tmp_path / "v.parquet", verdicts, VERDICT)
    files = {"generations": tmp_path / "g.parquet", "verdicts": tmp_path / "v.parquet"}
    how = {"ks": [1], "bootstrap": 100, "seed": 1}
    Score(problems=problems, **files, out=tmp_path / "s.json", **how).run(Job())
    notes = read_json(tmp_path / "s.json")["notes"]
    assert "3 programs lacked numpy; judge.packages can provide it." in notes


def test_an_unknown_problem_is_an_error(study):
    _, _, arms = study
    with pytest.raises(ValueError, match="not in the benchmark"):
        load.evaluation(["other"], arms[0]["generations"], arms[0]["verdicts"], {})


def test_an_arm_named_twice_is_one_arm(study):
    _, problems, arms = study
    ids, _ = load.problem_table(problems)
    assert len(load.evaluations([*arms, *arms], ids)) == len(arms)


def test_curve_json_is_complete(fitted):
    value = read_json(fitted / "curve.json")
    assert [point["size"] for point in value["points"]] == SIZES
    assert [point["replicates"] for point in value["points"]] == [1, 2, 2, 2, 2, 2]
    assert value["start"] == "base" and value["slice"] == "all.any"
    assert value["families"]["valley"]["curve"]["size"][0] == 0
    assert value["families"]["bnsl1"]["reason"]
    assert any("Not identifiable" in note for note in value["notes"])
    assert value["forecast"]["size"] == 8192
    low, high = value["forecast"]["interval"]
    assert 0 <= low < high <= 1


def test_contrast_json_pools_by_start(fitted):
    value = read_json(fitted / "contrast.json")
    assert len(value["settings"]) == 4 and set(value["starts"]) == {"base", "mid"}
    assert value["training_noise_from"] == "own and other replicates"
    assert value["training_noise"]["freedom"] == 9
    mean = np.mean([row["estimate"] for row in value["settings"]])
    assert value["pooled"]["estimate"] == pytest.approx(mean, abs=1e-5)
    assert all(row["p_holm"] >= row["p"] for row in value["settings"])


def test_a_contrast_without_arms_says_so(study, tmp_path):
    _, problems, arms = study
    out = tmp_path / "none.json"
    sides = {"field": "recipe", "a": "matched", "b": "epochs", "noise_arms": []}
    how = {"title": "", "margin": 0.02, "bootstrap": 50, "seed": 1}
    Contrast(problems=problems, results=[], out=out, arms=arms, **sides, **how).run(Job())
    assert read_json(out)["pooled"] is None


def test_claims_json_has_all_four(fitted):
    claims = {claim["name"]: claim for claim in read_json(fitted / "claims.json")["claims"]}
    assert set(claims) == {"F1", "F2", "F3", "F4"}
    assert "no arms that bear on it" in claims["F3"]["sentence"]
    assert len(claims["F1"]["parts"]) == 3 and len(claims["F2"]["parts"]) == 2


def draw_all(fitted, out) -> None:
    for name, source in (
        ("scaling", fitted / "curve.json"),
        ("fan", fitted / "curve.json"),
        ("rates", fitted / "rates.json"),
        ("correlation", fitted / "rates.json"),
        ("forest", [fitted / "contrast.json"]),
    ):
        getattr(plots, name)(source, *(out / f"{name}.{kind}" for kind in ("svg", "pdf", "csv")))


def test_figures_and_tables_are_the_same_bytes_twice(fitted, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        draw_all(fitted, folder)
    files = sorted(path.name for path in first.iterdir())
    assert len(files) == 15
    for name in files:
        data = (first / name).read_bytes()
        assert data == (second / name).read_bytes(), name
        assert not re.search(rb"CreationDate|dc:date|Matplotlib v", data), name
    rows = list(csv.DictReader((first / "scaling.csv").open()))
    assert [row["size"] for row in rows if not row["seed"]] == [str(size) for size in SIZES]
    rows = list(csv.DictReader((first / "forest.csv").open()))
    assert [row["kind"] for row in rows] == ["setting"] * 4 + ["pooled"]


def test_no_text_overlaps_or_leaves_the_figure(fitted, tmp_path, monkeypatch):
    from valley.analysis import style

    seen = []

    def check(drawn, svg, pdf):
        from matplotlib.text import Text

        drawn.canvas.draw()
        renderer = drawn.canvas.get_renderer()
        width, height = drawn.canvas.get_width_height()
        boxes = []
        hidden = (
            set()
        )  # matplotlib keeps the labels of ticks beyond the limits, and doesn't draw them
        for axes in drawn.axes:
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                for tick in axis.get_major_ticks():
                    if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                        hidden |= {tick.label1, tick.label2}
        for text in drawn.findobj(Text):
            if not text.get_text().strip() or not text.get_visible() or text in hidden:
                continue
            box = text.get_window_extent(renderer)
            if box.width and box.height:
                boxes.append((text.get_text(), box))
        for name, box in boxes:
            assert box.x0 >= -1 and box.x1 <= width + 1, (svg, name)
            assert box.y0 >= -1 and box.y1 <= height + 1, (svg, name)
        for i, (name, box) in enumerate(boxes):
            for other, rival in boxes[i + 1 :]:
                across = min(box.x1, rival.x1) - max(box.x0, rival.x0)
                down = min(box.y1, rival.y1) - max(box.y0, rival.y0)
                assert across < 1.5 or down < 1.5, (svg.name, name, other)
        seen.append(svg.name)

    monkeypatch.setattr(style, "save", check)
    draw_all(fitted, tmp_path)
    assert len(seen) == 5


def test_json_is_the_same_bytes_twice(study, tmp_path):
    _, problems, arms = study
    scaling = [arm for arm in arms if arm["slice"] == "all.any"]
    texts = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.json"
        how = {"title": "t", "margin": 0.02, "bootstrap": 100, "seed": 3}
        Curve(problems=problems, results=[], out=out, arms=scaling, **how).run(Job())
        texts.append(out.read_bytes())
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["title"] == "t"
