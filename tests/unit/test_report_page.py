"""The report's page: whole, escaped, the same twice, and what is missing is named."""

import json
import re
from pathlib import Path

import generated_study
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Elements, browser, dom
from valley.analysis import load
from valley.analysis.designs import blueprint, judged
from valley.analysis.plain import plain
from valley.core.files import PROBLEM, read_json, read_parquet, write_parquet
from valley.core.layout import Layout
from valley.core.study import Study
from valley.pages import answers, drawing, page, paper
from valley.planning.power import afterwards
from valley.reporting.command import report as write_report
from valley.reporting.measured import measured
from valley.reporting.partial import Gathered
from valley.workflow.console import cause

SIZES = [0, 16, 64, 256, 1024, 4096]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A study of 16 arms, in which half the verdicts of one arm's run never came."""
    folder = tmp_path_factory.mktemp("generated")
    return generated_study.write(folder, generated_study.config(SIZES, [0, 1], 30))


def made(layout, scratch: Path) -> str:
    found = Gathered(layout, scratch)
    return paper.page_of(layout.study.config, found.files, state=found.state, scratch=scratch)


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory) -> str:
    return made(small, tmp_path_factory.mktemp("aside"))


@pytest.mark.long
def test_the_chance_of_the_design_stands_beside_what_came_out(small, whole, tmp_path):
    design = afterwards(small.study, "bank", small.root, studies=5)
    known = {item.name: item for item in design["assumptions"]}
    assert "finished arms" in known["run_sd"].source
    assert known["run_sd"].interval[0] <= known["run_sd"].middle <= known["run_sd"].interval[1]
    found = Gathered(small, tmp_path)
    text = paper.page_of(
        small.study.config,
        found.files,
        state=found.state,
        measured={**measured(small.root), "designs": {"bank": design}},
        scratch=tmp_path,
    )
    section = text.partition('id="design"')[2].partition("</section>")[0]
    for name, chance in design["chances"].items():
        low, high = chance["supported"]["interval"]
        assert name in section
        assert f"{chance['supported']['chance']:.3f} [{low:.3f}, {high:.3f}]" in section
    assert f"run_sd {known['run_sd'].middle:.3f}" in section
    assert 'id="design"' not in whole, "the workflow's own report is made of its own files"


def test_a_simulated_study_is_judged_as_the_workflow_judges_the_same_arms(tmp_path):
    layout = generated_study.write(tmp_path, generated_study.config(SIZES[:5], [0, 1], 30))
    fitted = Gathered(layout, tmp_path / "aside").files["claims"]
    expected = read_json(fitted[0])["claims"]
    ids, _ = load.problem_table(f"{layout.root}/benchmarks/bank.parquet")
    plan = blueprint(layout.study, "bank", len(ids))
    arms = {
        checkpoint: load.evaluation(
            ids,
            layout.result("generations", checkpoint, "bank", "parquet"),
            layout.result("verdicts", checkpoint, "bank", "parquet"),
            {},
        )
        for cell in plan.cells
        for checkpoint in cell.checkpoints
    }
    settings = layout.study.config["statistics"]
    again = plain(judged(plan, arms, settings["bootstrap"], settings["seed"]))
    keys = ("name", "status", "one_seed", "estimate", "interval", "sentence")
    assert [{k: one[k] for k in keys} for one in again] == [
        {k: one[k] for k in keys} for one in expected
    ]
    assert any(one["estimate"] is not None for one in again)


def test_the_same_results_give_the_same_page(small, whole, tmp_path):
    assert made(small, tmp_path) == whole


def test_marked_problems_and_programs_without_a_package_are_counted(whole, tmp_path):
    assert "are marked" not in whole and "lacked" not in whole
    lacking = "ModuleNotFoundError: numpy; judge.packages can provide it"
    layout = generated_study.write(
        tmp_path, generated_study.config(SIZES[:4], [0], 10), told=lacking
    )
    path = Path(layout.root) / "benchmarks/bank.parquet"
    rows = read_parquet(path)
    for row in rows[:3]:
        row |= {"trusted": False, "mark": "tests: there are none"}
    write_parquet(path, rows, PROBLEM)
    text = " ".join(made(layout, tmp_path / "aside").split())
    assert "Problems of bank that are marked, since their verdicts can't be trusted: 3." in text
    number = re.search(r"Programs for bank that lacked numpy: ([\d,]+); judge.packages", text)[1]
    verdicts = {p for p in Path(layout.root).glob("verdicts/**/*.parquet") if "times" not in p.name}
    failed = sum(row["detail"] == lacking for p in verdicts for row in read_parquet(p))
    assert int(number.replace(",", "")) == failed > 0


def test_the_page_needs_nothing_outside_itself(whole):
    for _tag, name, value in Elements(whole).attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert value.startswith(("#", "data:")), (name, value[:80])
    (policy,) = [v for _, name, v in Elements(whole).attributes if v.startswith("default-src")]
    assert policy.startswith("default-src 'none'; ")
    assert "@import" not in whole


def test_every_figure_has_its_numbers_a_name_and_hints(whole):
    page_of = Elements(whole)
    links = [value for tag, name, value in page_of.attributes if (tag, name) == ("a", "download")]
    assert page_of.count["figure"] == 5 == len([link for link in links if link != "scores.csv"])
    labels = [
        value for tag, name, value in page_of.attributes if tag in "ag" and name == "aria-label"
    ]
    assert any(
        re.match(r"pass@1 at 256 examples: 0\.\d+ \[0\.\d+, 0\.\d+\]", said) for said in labels
    )
    ids = [value for _tag, name, value in page_of.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_claims_come_with_verdict_estimate_and_interval(whole):
    text = " ".join(Elements(whole).text)
    for name in ("F1", "F2", "F3", "F4"):
        assert name in text
    assert "This study has no arms that bear on it." in text
    assert "interval of the paired difference wholly above" in text


@pytest.mark.long
def test_both_scores_are_shown_where_extractions_differ(tmp_path):
    layout = generated_study.write(tmp_path, generated_study.config(SIZES, [0, 1], 12))
    assert "published extraction" not in made(layout, tmp_path / "one")
    path = next(Path(layout.root).glob("verdicts/**/*.parquet"))
    table = pq.read_table(path)
    other = pa.array(["wrong_answer"] + [None] * (table.num_rows - 1), pa.string())
    pq.write_table(table.append_column("published_verdict", other), path)
    page = made(layout, tmp_path / "two")
    assert page.count("published extraction") == 1  # that arm's row of the table of scores


def test_what_is_missing_is_named_and_the_rest_is_shown(tmp_path):
    layout = generated_study.write(tmp_path, generated_study.config(SIZES, [0], 20))
    root = Path(layout.root)
    gone = "tiny/distil/base/all.any/n256-s0"
    (root / f"verdicts/{gone}/bank.parquet").unlink()
    log = root / f"logs/judge/{gone}/bank.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "Traceback (most recent call last):\n"
        '  File "/x/workflow_scripts/judge.py", line 9, in judge\n    raise\n'
        "NoIsolation: no tier <here>\n"
    )
    found = Gathered(layout, tmp_path / "aside")
    (row,) = found.state["missing"]
    assert row["failed"] and row["stage"] == "answered"
    assert row["why"] == "failed: " + " ".join(cause(log, 2))
    written = paper.page_of(layout.study.config, found.files, state=found.state)
    assert "A partial report." in written
    assert "NoIsolation: no tier &lt;here&gt;" in written
    sizes = [point["size"] for point in _curve(found)["points"]]
    assert sizes == [0, 16, 64, 1024, 4096]


def _curve(found: Gathered) -> dict:
    from valley.core.files import read_json

    return read_json(found.files["curves"][0])


def test_nothing_finished_is_said_not_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generated_study.write(tmp_path, generated_study.config(SIZES, [0], 3))
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    options = type("Options", (), {"study": "study.yaml", "out": None, "problems": None})
    assert write_report(options) == 2
    assert "no arm is finished yet" in capsys.readouterr().out


# Each tries to run something that renames the page, or to break out of where it stands.
HOSTILE = [
    "<script>document.title='PWNED'</script>",
    "</script><script>document.title='PWNED'</script>",
    '"></pre><img src=x onerror="document.title=\'PWNED\'">',
    "<svg onload=document.title='PWNED'><a xlink:href=\"javascript:document.title='PWNED'\">x</a>",
    "<iframe srcdoc=\"<script>parent.document.title='PWNED'</script>\"></iframe>",
    "<!-- <script> <![CDATA[ ]]> <textarea><title><style><plaintext>",
    "{{ 7 * 7 }} {% raw %} ${document.title='PWNED'} `${alert(1)}`",
    "line\u2028separator\u2029paragraph \x00 \ufeff \u202e backwards",
    "<details open ontoggle=document.title='PWNED'><form action=javascript:1><button>",
    "<base href='//evil'><meta http-equiv=refresh content='0;url=javascript:1'><link rel=import>",
]


def test_hostile_text_is_shown_and_does_nothing(tmp_path):
    everything = "\n".join(HOSTILE)

    def answer(arm, problem, sample, right, length):
        program = f"```python\n{everything}\n```"
        return f"<think>{everything}</think>\n{everything}\n{program}\n{everything}"

    declared = generated_study.config([0, 16, 64, 256], [0], 6, samples=1)
    declared["note"] = everything.replace("\x00", "")
    layout = generated_study.write(tmp_path, declared, answer=answer, told=everything)
    out = tmp_path / "page.html"
    out.write_text(made(layout, tmp_path / "aside"), encoding="utf-8")
    document = dom(out)
    seen = Elements(document)
    assert "<title>generated: how distillation scales</title>" in document
    assert not seen.count.keys() & {"iframe", "img", "base", "form", "link", "object", "textarea"}
    assert seen.count["script"] == 2
    assert seen.count["title"] == 1, "the hints' titles became labels"
    handlers = [item for item in seen.attributes if item[1].startswith("on")]
    assert not handlers
    shown = "".join(seen.text)
    for text in HOSTILE:
        assert text.replace("\x00", "") in shown.replace("\x00", "").replace("\ufffd", ""), text


def test_json_in_the_page_can_not_close_its_script():
    block = str(page.data_block({"text": "</script><!--\u2028&"}))
    assert not set(block) & set("<>&\u2028")
    assert json.loads(block) == {"text": "</script><!--\u2028&"}


def test_a_drawing_brings_shapes_and_text_only():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="a()"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<script>a()</script><foreignObject/><a href="javascript:a()"><path/></a>'
        '<g id="hint-1" onclick="a()"><title>0.5 &lt;here&gt;</title>'
        '<use xlink:href="http://x/#y"/></g></svg>'
    )
    inlined = drawing.inline(svg, "f0-", "a figure")
    assert not re.search("script|foreign|javascript|onload|onclick|http://x", inlined)
    assert 'aria-label="0.5 &lt;here&gt;"' in inlined


def test_answers_are_a_fair_sample_and_those_where_arms_differ():
    shares = {f"p{i}": [0.5, 0.5] for i in range(40)} | {"apart": [0.0, 1.0], "near": [0.4, 0.6]}
    picked = answers.chosen(shares, 6)
    assert [why for _, why in picked] == ["sample"] * 3 + ["differs"] * 3
    names = [name for name, _ in picked]
    assert len(set(names)) == 6
    assert {"apart", "near"} <= set(names)
    assert answers.chosen(dict(reversed(shares.items())), 6) == picked, "whatever the order"


@pytest.mark.parametrize("arms", [1, 10, 100, 400])
def test_however_many_arms_there_are_the_answers_fit(arms):
    shown, samples, each = answers.sizes(arms, 1)
    assert shown >= answers.LEAST
    assert arms * shown * samples * each <= 1.2 * answers.BUDGET


@pytest.mark.long
def test_a_study_of_a_hundred_arms_is_small_and_opens_at_once(tmp_path):
    sizes = [0, *(2**k for k in range(4, 14)), *(3 * 2**k for k in range(4, 12))]
    declared = generated_study.config(sorted(sizes), [0, 1, 2, 3, 4], 40, samples=2)
    declared["statistics"]["bootstrap"] = 100
    layout = generated_study.write(tmp_path, declared, length=9000)
    assert len(layout.study.evaluated()) >= 95
    out = tmp_path / "page.html"
    out.write_text(made(layout, tmp_path / "aside"), encoding="utf-8")
    assert out.stat().st_size < 20e6
    document = dom(out, "#answers/0/50/1")
    ready = int(re.search(r'data-ready-after-ms="(\d+)"', document).group(1))
    assert ready < 3000
    (item,) = generated_study.embedded(out.read_text(encoding="utf-8"))
    assert item["arms"][50]["label"] in "".join(Elements(document).text)


@pytest.fixture(scope="module")
def opened(whole, tmp_path_factory):
    """The page of the small study in a browser."""
    page_at = tmp_path_factory.mktemp("opened") / "page.html"
    page_at.write_text(whole, encoding="utf-8")
    with browser() as tab:
        yield tab, page_at


def shows(tab, *arms: str) -> None:
    """Wait until these arms' answers are the first side by side."""
    heads = "[...document.querySelectorAll('.side h4')].map(head => head.textContent)"
    tab.wait(f"{heads}.join('|').startsWith({json.dumps('|'.join(arms))})")


def point(tab, label: str) -> str:
    """Return the selector of the first mark with this label."""
    name = tab.ask(f"document.querySelector('a.hint[aria-label^=\"{label}\"]').id")
    return f"#{name}"


def test_a_press_on_a_point_of_the_valley_shows_that_arms_answers(opened):
    tab, at = opened
    tab.open(at)
    shows(tab, "start (undistilled)")
    for size in (16, 1024):
        tab.press(point(tab, f"pass@1 at {size:,} examples"))
        shows(tab, f"N = {size:,} · distil · replicate 0", "start (undistilled)")
        tab.wait("document.querySelector('#answers-viewer').getBoundingClientRect().top < 100")
    # The same point once more, from far above: there is no new address, yet it leads there.
    tab.press(point(tab, "pass@1 at 1,024 examples"))
    tab.wait("document.querySelector('#answers-viewer').getBoundingClientRect().top < 100")


def test_a_press_on_a_contrast_shows_both_its_sides(opened):
    tab, at = opened
    tab.open(at)
    sides = ("easy.any", "hard.any")
    tab.press(point(tab, f"{sides[0]} minus {sides[1]}, N = 64, from mid"))
    shows(tab, *(f"N = 64 · {name} · from mid · distil · replicate 0" for name in sides))


def test_the_keyboard_reaches_a_point_reads_it_and_goes_to_its_answers(opened):
    tab, at = opened
    tab.open(at)
    tab.ask("document.querySelector('#found').scrollIntoView({behavior: 'instant'})")
    for _ in range(40):
        tab.key("Tab")
        if tab.ask("document.activeElement.classList.contains('hint')"):
            break
    hint = tab.ask("document.querySelector('.tip').textContent")
    assert re.fullmatch(r"pass@1 at the start: 0\.\d+ \[.*\]; press to read answers", hint)
    tab.key("Tab")
    tab.key("Enter")
    shows(tab, "N = 16 · distil · replicate 0")
    assert tab.ask("document.activeElement.id") == "answers-viewer"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    tab, at = opened
    tab.open(at, width=width)
    assert tab.ask("document.documentElement.scrollWidth") <= width


def test_the_first_screen_has_the_claims_and_the_curve_beside_them(opened, whole):
    tab, at = opened
    tested = [name for name in ("F1", "F2", "F3", "F4") if f">{name} " in whole]
    assert "F1" in tested and "F2" in tested

    def box(what: str) -> dict:
        return json.loads(
            tab.ask(
                f"JSON.stringify(document.querySelector('.first {what}').getBoundingClientRect())"
            )
        )

    tab.open(at, width=1600)
    words = [
        tab.ask(f"document.querySelectorAll('.decided li')[{number}].textContent")
        for number in range(len(tested))
    ]
    assert [text.split()[0] for text in words] == tested
    claims, curve = box(".decided"), box("figure svg")
    assert curve["left"] > claims["right"] and curve["bottom"] < 1000 > claims["bottom"]
    assert curve["right"] > 0.75 * 1600, "the right half is no empty one"
    tab.open(at, width=390)
    assert box("figure svg")["top"] > box(".decided")["bottom"]


def test_curves_that_one_axis_draws_are_told_apart_by_their_titles():
    config = generated_study.config(SIZES, [0], 6)
    config["axes"]["scaling"]["slices"] = ["all.any", "easy.any"]
    layout, one = Layout(Study(config)), {"student": "tiny", "recipe": "distil", "start": "base"}
    assert layout.curve_title("scaling", {**one, "slice": "easy.any"}, "bank") == (
        "tiny, easy.any on bank"
    )
    alone = Layout(Study(generated_study.config(SIZES, [0], 6)))
    assert alone.curve_title("scaling", {**one, "slice": "all.any"}, "bank") == "tiny on bank"


def test_the_page_prints(opened):
    tab, at = opened
    tab.open(at)
    assert tab.printed().startswith(b"%PDF")
