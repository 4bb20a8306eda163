"""Tables: what pandas reads and writes keeps its bytes, its whole numbers and its texts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from valley.analysis import load
from valley.core.files import GENERATION, VERDICT, read_csv, write_csv, write_parquet
from valley.pages import content
from valley.reporting import exporting, latex

ROOT = Path(__file__).parents[2]
ROWS = [
    {"name": 'a "b", c', "size": 16, "share": 0.1, "right": True, "none": None},
    {"name": "two\nlines", "size": None, "share": 1e-07, "right": None, "none": None},
    {"name": "", "size": 2**53 + 1, "share": None, "right": False, "none": None},
]
AS_CSV = """name,size,share,right,none
"a ""b"", c",16,0.1,True,
"two
lines",,1e-07,,
,9007199254740993,,False,
"""


def test_an_exported_table_has_the_same_values_in_both_forms(tmp_path):
    exporting.write(tmp_path / "table", ROWS)
    assert (tmp_path / "table.csv").read_bytes() == AS_CSV.encode()
    pq.write_table(
        pa.Table.from_pylist(ROWS), tmp_path / "plain", compression="zstd", store_schema=False
    )
    assert (tmp_path / "table.parquet").read_bytes() == (tmp_path / "plain").read_bytes()
    assert pq.read_table(tmp_path / "table.parquet").to_pylist() == ROWS


def test_rows_are_written_as_an_exported_table_is(tmp_path):
    write_csv(tmp_path / "rows.csv", ROWS)
    assert (tmp_path / "rows.csv").read_bytes() == AS_CSV.encode()


def test_cells_stay_the_texts_that_they_are(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\nNA,\n007,1.50\nnan,null\n")
    assert read_csv(tmp_path / "t.csv").to_numpy().tolist() == [
        ["NA", ""],
        ["007", "1.50"],
        ["nan", "null"],
    ]
    (tmp_path / "empty.csv").write_text("")
    assert read_csv(tmp_path / "empty.csv").empty


def test_scores_are_read_back_to_the_last_digit(tmp_path):
    names = ["student", "recipe", "start", "slice", "size", "seed", "benchmark", "problems"]
    names += ["quantity", "estimate", "low", "high", "n"]
    arm = ["t", "", "base", "", 0, 0, "bank", "all"]
    values = [("pass@1", 0.1 + 0.2, 5e-324, 1.0, 48), ("tokens", None, None, None, 0)]
    write_csv(
        tmp_path / "s.csv", [dict(zip(names, [*arm, *v], strict=True)) for v in values], names
    )
    (found,) = content.scores(tmp_path / "s.csv")
    assert found["pass@1"] == {"estimate": 0.1 + 0.2, "low": 5e-324, "high": 1.0, "n": 48}
    assert found["tokens"] == {"estimate": None, "low": None, "high": None, "n": 0}
    assert (found["recipe"], found["size"]) == ("", "0")


def evaluated(tmp_path, answers: list[dict], judged: list[dict]) -> load.Evaluation:
    answers = [{"sample": 0, "seed": 0, **row} for row in answers]
    judged = [{"sample": 0, "tests_passed": 0, "detail": "", **row} for row in judged]
    write_parquet(tmp_path / "g.parquet", answers, GENERATION)
    write_parquet(tmp_path / "v.parquet", judged, VERDICT)
    return load.evaluation(["a", "b"], tmp_path / "g.parquet", tmp_path / "v.parquet", {})


@pytest.mark.parametrize("portion", [1, 2, 512])
def test_answers_are_counted_alike_in_whatever_portions_they_are_read(
    tmp_path, monkeypatch, portion
):
    monkeypatch.setattr(load, "PORTION", portion)
    full = "<think>x</think> y"
    answers = [
        {"problem_id": "b", "text": full, "finish_reason": "stop", "tokens": 3},
        {"problem_id": "b", "text": "<think>x", "finish_reason": "length", "tokens": 5},
        {"problem_id": "b", "text": "", "finish_reason": None, "tokens": None},
    ]
    words = ("accepted", "judge_error", "no_code")
    arm = evaluated(tmp_path, answers, [{"problem_id": "b", "verdict": word} for word in words])
    counted = {name: getattr(arm, name).tolist() for name in ("samples", *load.METRICS[1:])}
    assert counted == {
        "samples": [0, 3],
        "completion": [0, 1],
        "think_tag": [0, 2],
        "well_formed": [0, 1],
        "tokens": [0, 8],
    }
    assert arm.judged.tolist() == [0, 2] and arm.accepted.tolist() == [0, 1]
    assert arm.verdicts == dict.fromkeys(words, 1)
    assert all(value.dtype == float for value in vars(arm).values() if hasattr(value, "dtype"))


def test_an_arm_without_answers_is_all_zeros(tmp_path):
    arm = evaluated(tmp_path, [], [])
    assert not any(np.any(value) for value in vars(arm).values() if hasattr(value, "dtype"))
    assert arm.verdicts == {}


def test_every_special_sign_is_escaped_in_cells_and_captions():
    cells = pd.DataFrame({"a": ["".join(latex.SPECIAL)], "b": [-0.5]}, dtype=object)
    table = latex.table("lr", cells, {"b": latex.number}, "".join(latex.SPECIAL), "x")
    expected = "".join(latex.SPECIAL.values())
    assert f"\n{expected} & $-$0.500 \\\\\n" in table
    assert f"\\caption{{{expected}}}" in table


@pytest.mark.parametrize("length", [latex.LONG, latex.LONG + 1])
def test_a_long_table_has_its_head_on_every_page(length):
    cells = pd.DataFrame({"a": range(length)})
    table = latex.table("l", cells, {}, "all", "x").splitlines()
    long = length > latex.LONG
    assert table.count("\\toprule") == (2 if long else 1)
    assert table.count("\\bottomrule") == 1
    assert [line for line in table if line[0].isdigit()] == [f"{n} \\\\" for n in range(length)]


def test_the_command_line_starts_without_pandas():
    script = "\n".join(
        [
            "import runpy, sys",
            "sys.argv = ['valley', '--help']",
            "try:",
            f"    runpy.run_path({str(ROOT / 'valley')!r}, run_name='valley')['main']()",
            "finally:",
            "    print('pandas' in sys.modules)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
