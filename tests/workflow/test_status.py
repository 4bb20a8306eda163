"""`valley status` shows where a study stands: while it runs, after it failed, when it is done."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from browser import browser
from valley.planning.status import page, terminal
from workspace import REPOSITORY


def status(workspace, *arguments):
    """Run `valley status`; return its exit status and what it printed."""
    return workspace.asked("status", str(workspace.study), *arguments)


def cells(seen, checkpoint):
    """Return the states of an arm by stage."""
    arm = next(arm for arm in seen["arms"] if arm["checkpoint"] == checkpoint)
    return {
        column["rule"]: seen["states"][cell[0]]
        for column, cell in zip(seen["columns"], arm["cells"], strict=True)
        if cell
    }


def opened(folder, text, width=1280):
    """Open a page in a browser; return the document then, and the seconds until it was drawn."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    with browser() as tab:
        tab.open(path, width=width)
        assert tab.ask("document.documentElement.scrollWidth") <= width
        ready = tab.ask("document.documentElement.dataset.ready")
        return tab.ask("document.documentElement.outerHTML"), int(ready) / 1000


@pytest.fixture(scope="module")
def seen(finished):
    """What the page of the finished study shows."""
    code, printed = status(finished, "--json")
    assert code == 0, printed
    return json.loads(printed)


def test_a_finished_study_is_all_done_with_times_and_scores(seen):
    assert seen["counts"] == {"done": seen["jobs"]}
    assert len(seen["arms"]) == 9
    for arm in seen["arms"]:
        assert all(cell is None or (cell[1] > 0 and cell[3]) for cell in arm["cells"]), "measured"
        low, high = arm["scores"][0][1:]
        assert 0 <= low <= arm["scores"][0][0] <= high <= 1
    assert seen["path"] == []


def test_the_page_is_one_file_and_the_terminal_says_the_same(copy):
    code, printed = status(copy)
    assert code == 0
    made = (copy.folder / "results/smoke/status.html").read_text()
    assert "results/smoke/status.html" in printed
    assert "tiny/distil/mid/hard.any/n16-s0" in made
    assert "tiny/distil/mid/hard.any/n16-s0" in printed
    assert not re.search(r"""(src|href)\s*=|url\(|@import|fetch\(|XMLHttp""", made), "needs nothing"
    assert copy.plan() == {}, "looking changes nothing"


def test_a_failed_arm_is_shown_with_its_log_and_what_waits_for_it(copy):
    config = copy.smoke()
    config["recipes"]["broken"] = {**config["recipes"]["distil"], "max_length": 8}
    axis = {"question": "?", "recipes": ["broken"], "sizes": [16]}
    config["axes"]["broken"] = axis
    copy.write(config)
    checkpoint = "tiny/broken/base/all.any/n16-s0"
    copy.snakemake(
        "--cores", "1", f"results/smoke/checkpoints/{checkpoint}/checkpoint.json", check=False
    )
    code, printed = status(copy, "--json")
    assert code == 3
    found = json.loads(printed)
    assert cells(found, checkpoint) == {
        "shard": "done",
        "train": "failed",
        "generate": "blocked",
        "judge": "blocked",
        "score": "blocked",
    }
    assert cells(found, "tiny/base")["score"] == "done"
    assert "longer than 8 tokens" in " ".join(found["failures"][0]["said"])
    assert any("longer than 8 tokens" in line for line in terminal(found))
    assert found["path"][0]["rule"] == "train"


def test_a_study_can_be_looked_at_while_it_runs_and_after_it_was_killed(copy):
    config = copy.smoke()
    config["sampling"]["temperature"] = 0.9
    copy.write(config)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(copy.folder), "--configfile", str(copy.study), "--cores", "1"]
    with subprocess.Popen(
        [*command, "generations"],
        cwd=copy.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline:
                assert running.poll() is None, "looking stopped the run"
                code, printed = status(copy, "--json")
                assert code == 1, printed
                if json.loads(printed)["counts"].get("running"):
                    break
            else:
                pytest.fail("nothing was ever running")
        finally:
            os.killpg(running.pid, signal.SIGKILL)
    copy.snakemake("--unlock")
    code, printed = status(copy, "--json")
    found = json.loads(printed)
    assert code == 3
    assert "running" not in found["counts"]
    assert [failure["rule"] for failure in found["failures"]] == ["generate"], "was cut off"


def test_what_a_study_says_is_text_and_never_markup(seen, tmp_path):
    hostile = "</script><img src=x onerror=alert(1)>\"'&"
    made = json.loads(json.dumps(seen))
    made["study"] = made["note"] = made["axes"][0]["question"] = hostile
    made["arms"][0]["checkpoint"] = hostile
    made["failures"] = [{"path": hostile, "rule": hostile, "log": hostile, "said": [hostile]}]
    document, _ = opened(tmp_path, page(made))
    assert "<img" not in document
    assert "&lt;img src=x" in document


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_phone_and_a_desk(seen, tmp_path, width):
    document, _ = opened(tmp_path, page(seen), width=width)
    assert "tiny/distil/mid/easy.any/n16-s0" in document


def test_2000_arms_open_in_two_seconds(seen, tmp_path):
    made = json.loads(json.dumps(seen))
    pattern = made["arms"][1]
    made["arms"] = [
        {**pattern, "checkpoint": f"tiny/distil/base/all.any/n{number}-s0"}
        for number in range(1, 2001)
    ]
    text = page(made)
    took = min(opened(tmp_path, text)[1] for _ in range(3))
    document, _ = opened(tmp_path, text)
    assert document.count('<th scope="row" title="tiny/') == 2000
    assert took < 2, "seconds until the page was drawn"
