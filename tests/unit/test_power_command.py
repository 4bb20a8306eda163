"""`./valley power` as people call it."""

import json
from argparse import ArgumentParser

import pytest
import yaml
from valley.core.files import PROBLEM, VERDICT, write_parquet
from valley.planning import power_command
from workspace import Workspace

BASE = "results/smoke"


@pytest.fixture
def asked(tmp_path, monkeypatch, capsys):
    """Run the command on a small study in a folder of its own; return its status and its words."""
    monkeypatch.chdir(tmp_path)
    config = Workspace.smoke()
    config["axes"]["scaling"] |= {"sizes": [0, 16, 32], "seeds": [0, 1]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))

    def run(*arguments: str, study: str = "study.yaml"):
        parser = ArgumentParser()
        power_command.add_parser(parser.add_subparsers())
        options = parser.parse_args(["power", study, *arguments])
        status = options.run(options)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_everything_at_once(asked, tmp_path):
    status, printed, err = asked(
        "--studies", "5", "--json", "p.json", "--figure", "p.svg", "--pilot", "16,32",
        "--budget", "1cpuh", "--assume", "problem_sd=1.5",
    )  # fmt: skip
    assert status == 0
    assert "smoke on bank: 24 problems (declared), 2 answers each" in printed
    assert "problem_sd      1.5" in printed
    assert "as you say" in printed
    assert "Not tested. This study has no arms" in printed  # F3
    assert "Within 1 core-hours" in printed
    assert "snakemake --configfile study.yaml results/smoke/verdicts/tiny/base/bank" in printed
    assert "no promise" in printed
    assert not err, "a bar is drawn on a terminal only"
    (found,) = json.loads((tmp_path / "p.json").read_text())
    assert found["claims"][0]["chances"]["the paper's"]["studies"] == 5
    assert found["simulation"] == {"studies": 5, "draws": 200, "seed": 0}
    svg = (tmp_path / "p.svg").read_text()
    assert "F1 on bank" in svg
    assert "core-hours (estimated)" in svg
    assert (tmp_path / "p.pdf").stat().st_size > 1000


def test_the_same_again_is_the_same_bytes(asked, tmp_path):
    for name in ("a", "b"):
        asked("--studies", "5", "--json", f"{name}.json", "--figure", f"{name}.svg")
    for kind in ("json", "svg", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_finished_arms_are_where_assumptions_and_the_start_come_from(asked, tmp_path):
    names = [f"p{number:02}" for number in range(24)]
    rows = [{"id": name, "tests": []} for name in names]
    (tmp_path / f"{BASE}/benchmarks").mkdir(parents=True)
    write_parquet(tmp_path / f"{BASE}/benchmarks/bank.parquet", rows, PROBLEM)
    checkpoints = ["tiny/base", *(f"tiny/distil/base/all.any/n16-s{seed}" for seed in (0, 1))]
    for shift, checkpoint in enumerate(checkpoints):
        answers = [
            {
                "problem_id": name,
                "sample": sample,
                "verdict": "accepted" if number < 12 + (shift + sample) % 3 else "wrong_answer",
            }
            for number, name in enumerate(names)
            for sample in (0, 1)
        ]
        folder = tmp_path / BASE / "verdicts" / checkpoint
        folder.mkdir(parents=True)
        write_parquet(folder / "bank.parquet", answers, VERDICT)
    status, printed, _ = asked("--studies", "5")
    assert status == 0
    assert "24 problems (this study's benchmark)" in printed
    assert "3 finished arms of this study, 95 % [" in printed
    assert "tiny from this study's finished arm" in printed
    assert "was not measured here" not in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--truth", "F7=valley"], "--truth: there is no claim 'F7'"),
        (["--truth", "F1=hill"], "F1 has no truth 'hill'"),
        (["--budget", "lots"], "write 2000gpuh (GPU-hours) or 40cpuh"),
        (["--budget", "20"], "write 2000gpuh (GPU-hours) or 40cpuh"),
        (["--budget", "20gpuh"], "trains and answers on cores; give cpuh, such as --budget 20cpuh"),
        (["--assume", "luck=3"], "NAME one of run_sd, problem_sd, interaction_sd, world"),
        (["--problems", "bank"], "write --problems humaneval=164"),
        (["--problems", "bnk=20"], "there is no benchmark 'bnk' (did you mean 'bank'?)"),
        (["--benchmark", "lcb"], "choose from: bank"),
        (["--pilot", "few"], "write sizes, such as --pilot 1000,10000"),
        (["--pilot", "48"], "axis scaling has no size 48; choose from: 16, 32"),
        (["--studies", "1"], "give 5 or more"),
    ],
)
def test_what_does_not_fit_is_answered_in_a_line(asked, arguments, said):
    status, printed, err = asked(*arguments)
    assert status == 2
    assert not printed
    assert said in err
    assert "Traceback" not in err


def test_a_study_that_cannot_be_read(asked, tmp_path):
    assert asked(study="none.yaml")[0] == 2
    (tmp_path / "broken.yaml").write_text("study: [")
    status, _, err = asked(study="broken.yaml")
    assert status == 2
    assert "not YAML" in err


def test_a_study_in_which_nothing_bears_on_a_claim(asked, tmp_path):
    config = Workspace.smoke()
    config["axes"] = {"one": {"question": "?", "recipes": ["distil"], "sizes": [16]}}
    (tmp_path / "bare.yaml").write_text(yaml.safe_dump(config))
    status, printed, _ = asked("--studies", "5", "--budget", "1cpuh", study="bare.yaml")
    assert status == 0
    assert printed.count("Not tested.") == 4
    assert "there is no claim to decide" in printed


def test_two_benchmarks_are_two_answers(asked, tmp_path):
    config = Workspace.smoke()
    config["benchmarks"]["other"] = {"source": {"format": "humaneval", "path": "here"}}
    config["axes"] = {"difficulty": config["axes"]["difficulty"]}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(config))
    status, printed, _ = asked("--studies", "5", study="two.yaml")
    assert status == 0
    assert "smoke on bank: 24 problems (declared)" in printed
    assert "smoke on other: 164 problems (as published)" in printed
    assert "other is a published benchmark" in printed
    few = asked("--studies", "5", "--problems", "other=8", "--benchmark", "other", study="two.yaml")
    assert "8 problems (as you say)" in few[1]
    assert "8 problems are too few" in few[1]


def test_help_lists_it(tmp_path):
    workspace = Workspace(tmp_path)
    status, printed = workspace.asked("power", "--help")
    assert status == 0
    assert "--assume" in printed
    assert "power" in workspace.asked("--help")[1]
