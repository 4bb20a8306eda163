"""A sidecar that is cut off, or half: each command names it in a line and goes on, or refuses."""

import json

import pytest
from valley.cluster import requests
from valley.core.study import Study

ROOT = "results/smoke"
JUDGED = f"{ROOT}/verdicts/tiny/base/bank.meta.json"
REPORT = f"{ROOT}/report.meta.json"
DAMAGES = {"empty": "", "cut off": '{"rule": "jud', "half": "{}", "a list": "[]"}
DAMAGES["without its inputs"] = json.dumps({"rule": "judge", "params": {}, "measured": {}})


@pytest.fixture(params=DAMAGES)
def damaged(copy, request):
    """A finished study in which two sidecars are damaged."""
    for name in (JUDGED, REPORT):
        (copy.folder / name).write_text(DAMAGES[request.param])
    return copy


@pytest.fixture
def cut(copy):
    """A finished study in which two sidecars are cut off."""
    for name in (JUDGED, REPORT):
        (copy.folder / name).write_text(DAMAGES["cut off"])
    return copy


def lines(output, name=JUDGED):
    return [line for line in output.splitlines() if f"{name}: damaged (" in line]


PASSING_OVER = [  # command, exit status
    (("plan", "study.yaml"), 0),
    (("status", "study.yaml"), 0),
    (("why", f"{ROOT}/verdicts/tiny/base/bank.parquet", "--study", "study.yaml"), 0),
    (("accept", "--all", "--study", "study.yaml"), 0),
    (("cost", "study.yaml"), 0),
    (("report", "study.yaml"), 0),
]


def test_commands_pass_over_a_damaged_sidecar_and_name_it_in_a_line(damaged):
    for arguments, status in PASSING_OVER:
        output = damaged.valley(*arguments, status=status)
        (said,) = lines(output)
        assert said.startswith("passed over: "), arguments
        assert said.endswith("; delete it with its result"), arguments
        assert "Traceback" not in output, arguments


def test_prune_removes_nothing_while_it_can_not_tell_what_is_referred_to(damaged):
    before = damaged.results()
    for more in ((), ("--yes",)):
        output = damaged.valley("prune", "study.yaml", *more, status=2)
        assert len(output.splitlines()) == 1 and "damaged (" in output
        assert output.rstrip().endswith("; delete it with its result")
    assert damaged.results() == before


@pytest.mark.parametrize("command", ["report", "export", "compare"])
def test_results_whose_report_s_sidecar_is_damaged_are_told_with_a_way_out(cut, command):
    more = {"export": ("--to", "out"), "compare": ("study.yaml",)}.get(command, ())
    output = cut.valley(command, ROOT, *more, status=2)
    (said,) = lines(output, REPORT)
    assert "give the study file instead" in said and len(output.splitlines()) == 1


def test_exports_and_comparisons_by_study_file_need_no_sidecar(cut):
    cut.valley("export", "study.yaml", "--to", "out", "--only", "tables")
    cut.valley("compare", "study.yaml", "study.yaml", "-o", "page.html")


def test_requests_to_a_cluster_are_learnt_from_the_others(damaged, capsys):
    config = Study.read(damaged.study).config
    seen = requests.measured(config, damaged.folder / ROOT)
    assert set(seen) == {(rule, "tiny") for rule in ("train", "generate", "judge")}
    assert len(lines(capsys.readouterr().err)) == 1


def test_a_run_says_that_a_sidecar_is_damaged_and_makes_its_result_when_both_are_gone(cut):
    output = cut.snakemake("--dry-run")
    (said,) = lines(output)
    assert "delete it with its result" in said
    for name in (JUDGED, JUDGED.replace(".meta.json", ".parquet")):
        (cut.folder / name).unlink()
    assert cut.plan()["judge"] == 1
