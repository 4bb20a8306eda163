"""Exports of a really run study, each loaded again by the tool that it is meant for."""

import json
import re
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    finished.valley("export", str(finished.study), "--to", str(out))
    return out


def test_tables_are_the_studys_own_numbers(finished, exported):
    import pandas as pd

    tables = exported / "tables"
    for path in tables.glob("*.parquet"):
        frame, plain = pd.read_parquet(path), pd.read_csv(path.with_suffix(".csv"))
        assert list(frame.columns) == list(plain.columns)
        assert len(frame) == len(plain) > 0, path
    verdicts = pd.read_parquet(tables / "verdicts.parquet")
    assert len(verdicts) == 9 * 24 * 2
    scores = pd.read_parquet(tables / "scores.parquet")
    arm = scores[(scores["size"] == 32) & (scores["seed"] == 1) & (scores["problems"] == "all")]
    root = finished.folder / "results/smoke/scores/tiny/distil/base/all.any/n32-s1/bank.json"
    own = json.loads(root.read_text())["overall"]
    for _, row in arm.iterrows():
        assert row["estimate"] == own[row["quantity"]]["estimate"]
    claims = pd.read_parquet(tables / "claims.parquet")
    assert list(claims["name"].unique()) == ["F1", "F2", "F3", "F4"]


def test_livecodebench_files_are_read_and_graded_as_the_study_was(finished, exported):
    from valley.judging.answer_files import read_answers

    for path in (exported / "livecodebench").rglob("bank.json"):
        answers = read_answers(path)
        assert not answers.bad_rows
        assert len(answers.rows) == 24 * 2
        graded = json.loads(path.with_name("bank_eval_all.json").read_text())
        assert [row["question_id"] for row in graded] == sorted(r["question_id"] for r in graded)
        checkpoint = path.relative_to(exported / "livecodebench").parent
        score = finished.folder / "results/smoke/scores" / checkpoint / "bank.json"
        own = json.loads(score.read_text())["overall"]["pass@1"]["estimate"]
        assert sum(row["pass@1"] for row in graded) / 24 == pytest.approx(own, abs=1e-6)
        for row in graded:
            assert row["graded_list"] == [
                json.loads(item)["verdict"] == "accepted" for item in row["metadata"]
            ]


def test_a_shards_folder_is_a_data_set(exported, tmp_path):
    from datasets import load_dataset

    folder = exported / "datasets/all.any/n32-s0"
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path))["train"]
    assert len(loaded) == 32
    assert {"prompt", "response", "correct"} <= set(loaded.column_names)
    assert "the first 32 traces of the slice `all.any`" in (folder / "README.md").read_text()


def test_a_checkpoints_folder_is_a_model_that_answers(exported):
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    folder = exported / "models/tiny/distil/base/all.any/n32-s0"
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    asked = tokenizer("Print the sum.", return_tensors="pt")
    answer = model.generate(
        input_ids=asked["input_ids"], max_new_tokens=3, do_sample=False, pad_token_id=0
    )
    assert answer.shape[1] > asked["input_ids"].shape[1]
    assert (folder / "README.md").read_text().startswith("---\n")


def test_latex_tables_are_sound(exported, tmp_path):
    for name in ("scores", "claims"):
        text = (exported / f"latex/{name}.tex").read_text()
        declared = re.search(r"\\begin\{tabular\}\{(.+)\}", text).group(1)
        columns = re.sub(r">?\{[^}]*\}", "", declared)
        body = text.partition("\\toprule")[2].partition("\\bottomrule")[0]
        rows = [row for row in body.split(r"\\") if "&" in row]
        assert len(rows) > 4
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1, row
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        assert not re.search(r"(?<!\\)[%#_]", text.partition("\n")[2]), "all special signs escaped"
        if shutil.which("pdflatex"):
            paper = (
                "\\documentclass{article}\\usepackage{booktabs,array,longtable}\\begin{document}"
            )
            (tmp_path / "paper.tex").write_text(f"{paper}\n{text}\n\\end{{document}}")
            command = ["pdflatex", "-halt-on-error", "-interaction=batchmode", "paper.tex"]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True)
            assert done.returncode == 0, done.stdout
            assert "Overfull" not in (tmp_path / "paper.log").read_text(), "wider than the page"
