"""Packages that programs may import: installed once by their pins, read-only, part of the key."""

import json
import os
import re
import subprocess
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from paths import finding
from test_hostile import ORDINARY
from tiers import tiers
from valley.judging import identity, packages
from valley.judging.batch import Task, judge
from valley.judging.command import add_parser
from valley.judging.forms import convert
from valley.judging.packages import PackagesError, missing_package, pinned, provided
from valley.judging.verdicts import Options

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "study.schema.yaml"
JAILS = [tier for tier in tiers() if tier != "rlimits"]


def problem(expected: str, given: str = "", function: str | None = None, **more) -> dict:
    return {
        "id": "p",
        "tests": [{"input": given, "expected": expected}],
        "function_name": function,
        "time_limit_s": 10.0,
        "memory_limit_mb": 512,
        **more,
    }


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """A folder of wheels, the only place that pip looks at."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "tiny", "1.0", "print('imported')\nanswer = 42\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def wheel(folder: Path, name: str, version: str, text: str) -> None:
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}/__init__.py", text)
        file.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr(f"{about}/RECORD", "")


@pytest.mark.parametrize("isolation", JAILS)
def test_a_program_finds_what_was_asked_for_and_nothing_else(isolation, wheels, tmp_path):
    def verdict(program: str, expected: str, wanted: list[str]):
        how = {"packages": wanted, "packages_in": tmp_path / "store", "isolation": isolation}
        return judge([Task(0, program, problem(expected))], **how)[0]

    program = "import tiny\nprint(tiny.answer)"
    assert verdict(program, "imported\n42\n", ["tiny==1.0"]).verdict == "accepted"
    assert "No module named 'tiny'" in verdict(program, "42\n", []).detail
    # The interpreter's own packages (pytest is one) stay out.
    assert "No module named 'pytest'" in verdict("import pytest", "", ["tiny==1.0"]).detail
    write = "import os, tiny\nopen(os.path.dirname(tiny.__file__) + '/x', 'w')"
    refused = verdict(write, "", ["tiny==1.0"])
    assert refused.verdict == "runtime_error"
    assert "/packages/tiny/x" in refused.detail and str(tmp_path) not in refused.detail


def test_they_are_installed_once_however_many_ask_and_are_the_same_bytes(wheels, tmp_path):
    pins = pinned(["tiny==1.0"])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: provided(tmp_path / "a", pins), range(4)))
    assert len({one.folder for one in found}) == 1 and found[0].modules == ("tiny",)
    (wheels / "tiny-1.0-py3-none-any.whl").unlink()
    assert provided(tmp_path / "a", pins) == found[0]
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {".lock", found[0].folder.name}
    wheel(wheels, "tiny", "1.0", "print('imported')\nanswer = 42\n")
    other = provided(tmp_path / "b", pins).folder
    read = {
        path.relative_to(other): path.read_bytes()
        for path in other.rglob("*")
        if path.is_file() and path.name != "RECORD"
    }
    assert any(path.suffix == ".pyc" for path in read)
    for path, content in read.items():
        assert (found[0].folder / path).read_bytes() == content, path


def test_without_a_network_the_error_says_what_to_do(wheels, tmp_path):
    with pytest.raises(PackagesError, match=r"(?s)not install absent==1.0.*PIP_FIND_LINKS") as it:
        how = {"packages": ["absent==1.0"], "packages_in": tmp_path / "store"}
        judge([Task(0, "print(1)", problem("1"))], **how)
    assert "pip download" in str(it.value)
    assert [path.name for path in (tmp_path / "store").iterdir()] == [".lock"]


AS_USER = """
import sys
from valley.judging.sandbox_pool import SandboxPool
from valley.judging.packages import PackagesError, pinned, provided
from valley.judging.problems import read_problem
from valley.judging.trial import judge_program
from valley.judging.verdicts import Options
tier, shared, own = sys.argv[1:]
problem = read_problem(eval(sys.stdin.read()))
for store, name in ((shared, "tiny==1.0"), (shared, "tiny==2.0"), (own, "tiny==2.0")):
    pins = pinned([name])
    try:
        there = provided(store, pins)
        with SandboxPool(tier, packages=there) as boxes:
            text = "import tiny\\nprint(tiny.answer)"
            print(judge_program(boxes, text, problem, Options(packages=pins)).verdict)
    except PackagesError as error:
        print(str(error).replace("\\n", " "))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user to share with")
@pytest.mark.parametrize(
    "isolation", [tier for tier in ("namespaces", "landlock") if tier in JAILS]
)
def test_another_user_shares_what_is_installed_and_is_told_what_to_do_about_the_rest(
    isolation, wheels
):
    """One who may read the store only, where no package can be fetched."""
    interpreter = "/usr/bin/python3"
    version = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    if not os.path.exists(interpreter) or subprocess.run([interpreter, "-c", version]).returncode:
        pytest.skip("needs a system Python >= 3.11 with pip, which an ordinary user may read")
    with tempfile.TemporaryDirectory() as shop:
        os.chmod(shop, 0o755)
        shared, own = Path(shop, "shared"), Path(shop, "own")
        own.mkdir()
        os.chmod(own, 0o777)
        settings = finding(Path(__file__).parent)
        install = (
            "import sys; from valley.judging.packages import pinned, provided\n"
            "provided(sys.argv[1], pinned(['tiny==1.0']))"
        )
        subprocess.run([interpreter, "-c", install, str(shared)], env=settings, check=True)
        settings |= {"PIP_FIND_LINKS": shop}  # where there are no wheels
        done = subprocess.run(
            [interpreter, "-c", ORDINARY, AS_USER, isolation, str(shared), str(own)],
            input=repr(problem("imported\n42\n")),
            capture_output=True,
            text=True,
            cwd="/",
            env=settings,
        )
        said = done.stdout.splitlines()
        assert len(said) == 3, done.stdout + done.stderr[-2000:]
        assert said[0] == "accepted"
        assert "tiny==2.0 are not in" in said[1] and "Permission denied" in said[1]
        assert "Let a user who may write there judge once" in said[1]
        assert "pip could not install tiny==2.0" in said[2] and "PIP_FIND_LINKS" in said[2]
        assert [path.name for path in own.iterdir()] == [".lock"]


def test_names_are_pinned_with_what_they_need():
    assert pinned("scipy") == pinned(["numpy", "scipy"])
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pinned("livecodebench"))
    assert set(pinned("numpy")) < set(pinned("livecodebench"))
    assert pinned(["numpy", "numpy==1.25.0"]) == ("numpy==1.25.0",)
    assert pinned(None) == pinned([]) == ()
    with pytest.raises(ValueError, match=r"'numpi' is not known; known are livecodebench, .*numpy"):
        pinned(["numpi"])


def test_the_study_file_knows_the_same_names():
    keys = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]["judge"]["properties"]
    allowed = re.compile(keys["packages"]["pattern"])
    assert keys["packages"]["items"]["pattern"] == keys["packages"]["pattern"]
    for name in (*packages.PINS, *packages.SETS, "other==1.0"):
        assert allowed.search(name), name
    assert not allowed.search("numpi") and not allowed.search("numpy; rm")
    assert set(packages.NEEDED) | {one for some in packages.NEEDED.values() for one in some} <= set(
        packages.PINS
    )


def test_they_are_part_of_what_a_verdict_is_remembered_by(wheels, tmp_path, judged):
    task = Task(0, "import tiny\nprint(tiny.answer)", problem("imported\n42\n"))
    how = {"cache": tmp_path / "known", "packages_in": tmp_path / "store"}
    assert judge([task], **how)[0].verdict == "runtime_error"
    assert judge([task], packages=["tiny==1.0"], **how)[0].verdict == "accepted"
    assert judge([task], **how)[0].verdict == "runtime_error"
    assert len(judged) == 2
    keys = {
        identity.circumstances("landlock", Options(packages=pins))
        for pins in ((), ("a==1",), ("a==2",))
    }
    assert len(keys) == 3


def test_a_known_package_that_is_not_there_is_named(tmp_path, capsys):
    program = "import numpy as np\nprint(1)"
    verdict = judge([Task(0, program, problem("1"))])[0]
    assert verdict.verdict == "runtime_error"
    assert verdict.detail == "ModuleNotFoundError: numpy; judge.packages can provide it"
    assert missing_package(verdict.detail) == "numpy"
    assert missing_package("ModuleNotFoundError: No module named 'x'") is None
    (tmp_path / "p.jsonl").write_text(json.dumps(problem("1")) + "\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"problem_id": "p", "program": program}) + "\n")
    assert command(tmp_path) == 0
    assert "programs without numpy: 1" in capsys.readouterr().out


def test_the_command_installs_beside_the_cache(wheels, tmp_path, capsys):
    (tmp_path / "p.jsonl").write_text(json.dumps(problem("imported\n42\n")) + "\n")
    answer = {"problem_id": "p", "program": "import tiny\nprint(tiny.answer)"}
    (tmp_path / "a.jsonl").write_text(json.dumps(answer) + "\n")
    assert command(tmp_path, "--packages", "tiny==1.0") == 2
    assert "--packages needs --cache" in capsys.readouterr().err
    known = str(tmp_path / "s" / "programs")
    assert command(tmp_path, "--packages", "tiny==1.0", "--cache", known) == 0
    assert "accepted" in capsys.readouterr().out
    assert (tmp_path / "s" / "packages").is_dir()
    assert command(tmp_path, "--packages", "absent==1.0", "--cache", known) == 2
    assert "could not install" in capsys.readouterr().err


def command(folder: Path, *more: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    files = [str(folder / name) for name in ("p.jsonl", "a.jsonl")]
    options = parser.parse_args(["judge", *files, *more])
    return options.run(options)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the known packages that contest programs use most."""
    root = tmp_path_factory.mktemp("store")
    try:
        provided(root, pinned(WANTED))
    except PackagesError as error:
        pytest.skip(str(error))
    return root


WANTED = ["numpy", "sortedcontainers", "sympy"]
PROGRAMS = {
    "sums": ("import numpy as np\nprint(np.arange(5).sum())", problem("10\n")),
    "linear algebra": (
        "import numpy as np\na = np.ones((300, 300))\nprint(int((a @ a).sum()))",
        problem("27000000\n"),
    ),
    "a called function": (
        "import numpy as np\ndef f(x):\n    return np.array(x).T.tolist()",
        problem("[[1, 3], [2, 4]]", "[[1, 2], [3, 4]]", "f"),
    ),
    "a number out of an array": (
        "import numpy as np\ndef f(x):\n    return [np.array(x).sum(), np.bool_(True)]",
        problem("[3, true]", "[1, 2]", "f"),
    ),
    "draws repeat": ("import numpy as np\nprint(np.random.rand())", problem("0.5488135039273248")),
    "input read at once": (
        "import sys\nimport numpy as np\nprint(np.array(sys.stdin.read().split(), int).max())",
        problem("9\n", "3 9\n4\n"),
    ),
    "a sorted list": (
        "from sortedcontainers import SortedList\nprint(SortedList([3, 1])[0])",
        problem("1\n"),
    ),
    "symbols": ("import sympy\nprint(sympy.factorint(12))", problem("{2: 2, 3: 1}\n")),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("program", "word"),
    [
        ("return np.array(x).sum()", "accepted"),
        ("return np.float64(sum(x))", "accepted"),
        ("return np.array(x).mean()", "wrong_answer"),
        ("return np.array([sum(x)] * 2)", "wrong_answer"),
    ],
)
def test_numbers_out_of_arrays_are_numbers_to_published_tests(program, word, installed):
    row = {"task_id": 1, "text": "?", "code": "", "test_list": ["assert f([1, 2]) == 3"]}
    task = Task(0, f"import numpy as np\ndef f(x): {program}", convert(row))
    assert judge([task], packages=WANTED, packages_in=installed)[0].verdict == word


@pytest.mark.parametrize("isolation", JAILS)
def test_contest_programs_with_packages_are_accepted(isolation, installed):
    names = list(PROGRAMS)
    tasks = [Task(name, *PROGRAMS[name]) for name in names]
    verdicts = judge(tasks, isolation=isolation, packages=WANTED, packages_in=installed)
    assert {name: (v.verdict, v.detail) for name, v in zip(names, verdicts, strict=True)} == (
        dict.fromkeys(names, ("accepted", ""))
    )


def test_memory_stays_the_problems_limit_with_packages(installed):
    big = "import numpy as np\na = np.ones((1 << 27))\nprint(a.sum())"
    verdict = judge([Task(0, big, problem(""))], packages=WANTED, packages_in=installed)[0]
    assert verdict.verdict == "memory_limit"
