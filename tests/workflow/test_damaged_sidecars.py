"""A sidecar that is cut off, or half: each command names it in a line and goes on, or refuses."""

import json

import pytest
from valley.cluster import requests
from valley.core.study import Study

ROOT = "results/smoke"
JUDGED, REPORT = f"{ROOT}/verdicts/tiny/base/bank.meta.json", f"{ROOT}/report.meta.json"
HALF = json.dumps({"rule": "judge", "params": {}, "measured": {}})
DAMAGED = {
    JUDGED: HALF,
    REPORT: '{"rule": "rep',
    f"{ROOT}/corpus/labels.meta.json": "",
    f"{ROOT}/corpus/pool.meta.json": "{}",
    f"{ROOT}/scores/tiny/base/bank.meta.json": "[]",
}


@pytest.fixture
def damaged(copy):
    """A finished study in which sidecars are damaged, each in its way."""
    for name, text in DAMAGED.items():
        (copy.folder / name).write_text(text)
    return copy


def lines(output, name):
    return [line for line in output.splitlines() if f"{name}: damaged (" in line]


PASSING_OVER = [  # command, what it names
    (("plan", "study.yaml"), DAMAGED),
    (("status", "study.yaml"), DAMAGED),
    (("why", JUDGED.replace(".meta.json", ".parquet"), "--study", "study.yaml"), [JUDGED]),
    (("accept", "--all", "--study", "study.yaml"), DAMAGED),
    (("cost", "study.yaml"), DAMAGED),
    (("report", "study.yaml"), DAMAGED),
]


@pytest.mark.long
def test_commands_pass_over_damaged_sidecars_and_name_each_in_a_line(damaged):
    for arguments, names in PASSING_OVER:
        output = damaged.valley(*arguments)
        assert "Traceback" not in output, arguments
        for name in names:
            (said,) = lines(output, name)
            assert said.startswith("passed over: "), arguments
            assert said.endswith("; delete it with its result"), arguments


def test_prune_removes_nothing_while_it_can_not_tell_what_is_referred_to(damaged):
    before = damaged.results()
    for more in ((), ("--yes",)):
        output = damaged.valley("prune", "study.yaml", *more, status=2)
        assert len(output.splitlines()) == 1 and "damaged (" in output
        assert output.rstrip().endswith("; delete it with its result")
    assert damaged.results() == before


def test_results_whose_reports_sidecar_is_damaged_are_told_with_a_way_out(damaged):
    for command, *more in (("report",), ("export", "--to", "out"), ("compare", "study.yaml")):
        output = damaged.valley(command, ROOT, *more, status=2)
        (said,) = lines(output, REPORT)
        assert "give the study file instead" in said and len(output.splitlines()) == 1


@pytest.mark.long
def test_exports_and_comparisons_by_study_file_need_no_sidecar(damaged):
    damaged.valley("export", "study.yaml", "--to", "out", "--only", "tables")
    damaged.valley("compare", "study.yaml", "study.yaml", "-o", "page.html")


def test_requests_to_a_cluster_are_learnt_from_the_others(damaged, capsys):
    config = Study.read(damaged.study).config
    seen = requests.measured(config, damaged.folder / ROOT)
    assert set(seen) == {(rule, "tiny") for rule in ("train", "generate", "judge")}
    assert len(lines(capsys.readouterr().err, JUDGED)) == 1


def test_a_run_names_them_too_and_makes_a_result_again_when_both_are_gone(damaged):
    output = damaged.snakemake("--dry-run")
    for name in DAMAGED:
        (said,) = lines(output, name)
        assert "delete it with its result" in said
    for name in (JUDGED, JUDGED.replace(".meta.json", ".parquet")):
        (damaged.folder / name).unlink()
    assert damaged.plan()["judge"] == 1
