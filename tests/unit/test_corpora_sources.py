"""Sources: known forms and own columns, joins with other data sets, bad rows, the hub's cache."""

import json

import foreign_corpora as made
import pytest
from hub_files import COMMIT, jsonl, snapshot
from sources import SourceProblems, SourceTraces
from valley.core import hub
from valley.core.bad_rows import BadRow, BadRows
from valley.core.files import read_json, read_parquet
from valley.core.sources import resolved, resolved_questions
from valley.corpora import columns as reading
from valley.workflow.job import Job

PLAIN = {
    "form": None,
    "hub": None,
    "revision": None,
    "path": None,
    "files": None,
    "columns": {},
    "only": None,
    "teacher": None,
    "rows": None,
    "longest_line": 1 << 26,
}
OCR2 = {"hub": "nvidia/OpenCodeReasoning-2", "revision": COMMIT}
LOCATION = {"hub": None, "revision": COMMIT, "path": None, "files": None}
QUESTIONS = resolved_questions({"taco": LOCATION, "apps": LOCATION})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A Hugging Face cache without a network; returns its home."""
    import huggingface_hub.constants as constants

    home = tmp_path / "home"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return home


@pytest.fixture
def read(tmp_path):
    """Return a function: read a source; give its problems, its traces and what was counted."""

    def run(settings, questions=QUESTIONS, bad_rows="stop", correctness="judge", rate=1.0):
        source = resolved("src", {**PLAIN, **settings})
        problems, out = tmp_path / "problems.parquet", tmp_path / "traces.parquet"
        asked = {"sources": [source], "questions": questions, "bad_rows": bad_rows}
        counts = {name: tmp_path / f"{name}.json" for name in ("problems", "traces")}
        SourceProblems(problems=problems, counts=counts["problems"], **asked).run(Job())
        taken = {"correctness": correctness, "pass_rate": rate, "bad_rows": bad_rows}
        made_of = {"problems": problems, "source": source, **taken}
        SourceTraces(traces=out, counts=counts["traces"], **made_of).run(Job())
        counts = {**read_json(tmp_path / "problems.json"), **read_json(tmp_path / "traces.json")}
        return read_parquet(problems), read_parquet(out), counts

    return run


def test_opencodereasoning_2_finds_its_questions_in_other_data_sets(cache, read):
    rows = made.opencodereasoning2(80)
    made.cache(cache, rows, questions=30)
    problems, traces, counts = read(OCR2)
    assert counts["rows"] == counts["traces"] == 80
    assert counts["joined"] == counts["with_tests"] == len(problems) == 20
    by_id = {problem["id"]: problem for problem in problems}
    for row, trace in zip(rows, traces, strict=True):
        index = int(row["index"])
        assert trace["id"] == f"src/{row['id']}"
        assert trace["problem_id"] == f"{row['dataset']}/train/{index}"
        assert trace["prompt"] == made.question(row["dataset"], index)
        assert trace["response"] == row["r1_generation"].strip()
        assert trace["teacher"] == "DeepSeek-R1"
        assert trace["correct"] is None
        tests = by_id[trace["problem_id"]]["tests"]
        given, wanted = tests[0]["input"], tests[0]["expected"]
        assert int(wanted) == int(given) + index


def test_difficulties_are_those_of_the_data_set_that_has_the_question(cache, read):
    rows = [{**row, "difficulty": "9"} for row in made.opencodereasoning2(48)]
    made.cache(cache, rows, questions=30)
    _, traces, _ = read(OCR2)
    found = {trace["problem_id"]: trace["difficulty"] for trace in traces}
    assert found["taco/train/0"] == "EASY"
    assert found["taco/train/4"] == "VERY_HARD"
    assert found["apps/train/1"] == "interview"
    # A label that says nothing is none, and then the row's own counts.
    assert made.taco(11)[10]["difficulty"] == "VERY_HARD"


@pytest.mark.parametrize(
    ("by", "rate", "right"),
    [("judgement", 1.0, 40), ("pass_rate", 1.0, 40), ("pass_rate", 0.2, 80)],
)
def test_correctness_is_the_sources_word_where_the_study_file_says_so(cache, read, by, rate, right):
    made.cache(cache, made.opencodereasoning2(80), questions=30)
    _, traces, _ = read(OCR2, correctness=by, rate=rate)
    assert sum(trace["correct"] is True for trace in traces) == right
    assert sum(trace["correct"] is False for trace in traces) == 80 - right


def test_strange_judgements_and_missing_rates_are_counted_and_mean_nothing(cache, read):
    rows = made.opencodereasoning2(8)
    rows[0]["judgement"], rows[1]["judgement"], rows[2]["judgement"] = "perhaps", None, "Unknown"
    rows[0]["pass_rate"], rows[1]["pass_rate"], rows[2]["pass_rate"] = "-1", None, "many"
    made.cache(cache, rows, questions=4)
    _, traces, counts = read(OCR2, correctness="judgement")
    assert [trace["correct"] for trace in traces[:4]] == [None, None, None, False]
    assert (counts["judgement_strange"], counts["judgement_absent"]) == (1, 2)
    _, traces, counts = read(OCR2, correctness="pass_rate")
    assert [trace["correct"] for trace in traces[:4]] == [None, None, None, False]
    assert (counts["pass_rate_strange"], counts["pass_rate_absent"]) == (1, 2)


def test_an_early_revision_without_rates_is_read(cache, read):
    folder = snapshot(cache, "nvidia/OpenCodeReasoning-2") / "train" / "python"
    made.cache(cache, made.opencodereasoning2(8), questions=4)
    for path in folder.glob("*.parquet"):
        path.unlink()
    early = [name for name in made.TEXT if name != "pass_rate"]
    made.write_parquet(folder / "train-00000-of-00001.parquet", made.opencodereasoning2(8), early)
    _, traces, counts = read(OCR2, correctness="pass_rate")
    assert {trace["correct"] for trace in traces} == {None}
    assert counts["pass_rate_absent"] == 8


def test_a_question_beyond_its_data_set_is_told(cache, read):
    made.cache(cache, made.opencodereasoning2(80), questions=10)
    with pytest.raises(BadRows, match=r"apps: split train has 10 rows, but 5 questions lie beyond"):
        read(OCR2)
    problems, traces, counts = read(OCR2, bad_rows="skip")
    assert len(problems) == 10
    assert len(traces) == 40
    assert "problem apps/train/11 is not among" in "\n".join(counts["first_bad_rows"])


def test_a_question_set_that_the_study_does_not_name_is_told_with_the_way_out(cache, read):
    made.cache(cache, made.opencodereasoning2(80), questions=30)
    only_taco = {"taco": QUESTIONS["taco"]}
    with pytest.raises(BadRows, match=r"stands in apps.*only: \{dataset: \[taco\]\}"):
        read(OCR2, questions=only_taco)
    _, traces, counts = read({**OCR2, "only": {"dataset": ["taco"]}}, questions=only_taco)
    assert len(traces) == 40
    assert counts["left_out"] == 40


def test_a_cache_without_the_data_set_says_how_to_fetch_it(cache, read):
    snapshot(cache, "some/thing")
    with pytest.raises(hub.SourceError, match="hf download nvidia/OpenCodeReasoning-2"):
        read(OCR2)


def test_opencodereasoning_has_some_questions_itself_and_ids_of_questions(tmp_path, read, cache):
    names = [
        "id",
        "input",
        "output",
        "source",
        "license",
        "dataset",
        "split",
        "difficulty",
        "solution",
    ]
    rows = [
        {
            "id": f"q{at // 2}",
            "input": made.question("own", at // 2),
            "output": made.answer(made.program(at), "thoughts"),
            "difficulty": "EASY",
            "source": "codechef",
        }
        for at in range(6)
    ]
    folder = snapshot(cache, "nvidia/OpenCodeReasoning")
    made.write_parquet(folder / "split_0" / "train-00000-of-00001.parquet", rows, names)
    pointing = [
        {**row, "input": "-", "dataset": "taco", "split": "train", "index": "3"} for row in rows
    ]
    made.write_parquet(folder / "split_1" / "train-0.parquet", pointing[:2], [*names, "index"])
    made.cache(cache, made.opencodereasoning2(4), questions=5)
    problems, traces, _ = read({"hub": "nvidia/OpenCodeReasoning", "revision": COMMIT})
    assert [p["id"] for p in problems] == ["src/q0", "src/q1", "src/q2", "taco/train/3"]
    assert len({trace["id"] for trace in traces}) == 8
    assert traces[0]["id"] == "src/split_0/train-00000-of-00001.parquet:1"
    assert traces[-1]["problem_id"] == "taco/train/3"
    assert traces[0]["source"] == "codechef"


def test_questions_of_codeforces_and_code_contests_come_with_sections_tests_and_ratings(
    cache, read
):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pairs = [{"input": "1\n", "output": "2\n"}]
    codeforces = {
        **{"id": "1/A", "contest_id": "1", "index": "A", "title": "T", "rating": 1800.0},
        **{"description": "Say more.", "input_format": "A number.", "output_format": "Another."},
        **{"examples": pairs, "note": "None.", "official_tests": pairs, "interaction_format": None},
        **{"official_tests_complete": True, "generated_checker": None, "input_mode": "stdio"},
        **{"time_limit": 1.0, "memory_limit": 256.0, "executable": True, "generated_tests": 0},
    }
    columns = {"input": ["1\n"], "output": ["2\n"]}
    contests = {
        **{"name": "1_A", "description": "Say more, again.", "public_tests": columns},
        **{"private_tests": columns, "generated_tests": columns, "source": 2, "difficulty": 9},
        **{"cf_rating": 2100, "time_limit": {"seconds": 2, "nanos": 0}},
        **{"memory_limit_bytes": 1 << 28, "solutions": {"language": [1], "solution": ["x"]}},
    }
    for name, row in (("open-r1/codeforces", codeforces), ("deepmind/code_contests", contests)):
        path = snapshot(cache, name) / "data" / "train-00000-of-00001.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row]), path)
    rows = [
        {**row, "dataset": dataset, "index": "0"}
        for row, dataset in zip(
            made.opencodereasoning2(2), ("open-r1/codeforces", "code_contests"), strict=True
        )
    ]
    folder = snapshot(cache, "nvidia/OpenCodeReasoning-2") / "train" / "python"
    made.write_parquet(folder / "train-00000-of-00001.parquet", rows)
    named = {name: LOCATION for name in ("open-r1/codeforces", "code_contests")}
    problems, traces, _ = read(OCR2, questions=resolved_questions(named))
    assert [problem["id"] for problem in problems] == [
        "code_contests/train/0",
        "open-r1/codeforces/train/0",
    ]
    assert [len(problem["tests"]) > 0 for problem in problems] == [True, True]
    assert [trace["difficulty"] for trace in traces] == ["1800", "2100"]
    for part in ("Say more.", "A number.", "Another."):
        assert part in traces[0]["prompt"]


def test_openthoughts_3_gives_its_code_and_one_problem_a_question(tmp_path, read):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def row(at, domain):
        talk = [
            {"from": "human", "value": made.question("ot", at // 3)},
            {"from": "gpt", "value": made.answer(made.program(at), f"thought {at}")},
        ]
        return {"difficulty": 7, "source": "stackexchange", "domain": domain, "conversations": talk}

    rows = [row(at, "code") for at in range(6)] + [row(9, "math")]
    (tmp_path / "ot" / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "ot" / "data" / "train-0.parquet")
    problems, traces, counts = read({"form": "openthoughts3", "path": str(tmp_path / "ot")})
    assert len(problems) == 2
    assert [trace["problem_id"] for trace in traces] == [
        p["id"] for p in problems for _ in range(3)
    ]
    assert counts["left_out"] == 1
    assert {trace["teacher"] for trace in traces} == {"QwQ-32B"}
    assert traces[0]["difficulty"] == "7"


def test_any_columns_can_be_named_several_teachers_and_reasoning_apart(tmp_path, read):
    rows = [
        {
            "q": "Add.",
            "think": "I add.",
            "say": "```python\nprint(1)\n```",
            "who": who,
            "level": 1.0,
        }
        for who in ("kat", "r1")
    ]
    jsonl(tmp_path / "own.jsonl", rows)
    columns = {"prompt": "q", "reasoning": "think", "response": "say"}
    columns |= {"teacher": "who", "difficulty": "level"}
    problems, traces, counts = read({"path": str(tmp_path / "own.jsonl"), "columns": columns})
    assert len(problems) == 1
    assert traces[0]["response"] == "<think>\nI add.\n</think>\n\n```python\nprint(1)\n```"
    assert counts["teachers"] == {"kat": 1, "r1": 1}
    assert traces[0]["difficulty"] == "1"


OWN = {"columns": {"prompt": "q", "response": "a"}}
FINE = {"q": "Add.", "a": made.answer("print(1)", "hm")}
BAD = {
    "broken JSON": ('{"q": ', "own.jsonl: row 2: not JSON"),
    "a number for text": (json.dumps({**FINE, "a": 7}), "own.jsonl:2: response: text is wanted"),
    "no such column": (json.dumps({"q": "Add."}), "row 2: column a: there is none; there are: q"),
    "an empty answer": (json.dumps({**FINE, "a": " "}), "own.jsonl:2: response: text is wanted"),
    "half a character": ('{"q": "Add.", "a": "\\ud800"}', "response: it holds half a character"),
    "a number that is none": ('{"q": "Add.", "a": NaN}', "NaN is not a JSON value"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_stops_or_is_skipped_and_counted(tmp_path, read, name):
    line, said = BAD[name]
    path = tmp_path / "own.jsonl"
    path.write_text(f"{json.dumps(FINE)}\n{line}\n{json.dumps({**FINE, 'q': 'Other.'})}\n")
    with pytest.raises(BadRows) as caught:
        read({**OWN, "path": str(path)})
    assert said in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert not list(tmp_path.glob("*traces*")), "nothing half-written stays"
    _, traces, counts = read({**OWN, "path": str(path)}, bad_rows="skip")
    assert len(traces) == 2
    assert counts["bad_rows"] == 1
    assert said in counts["first_bad_rows"][0]


def test_a_truncated_file_of_several_is_named(tmp_path, read):
    columns = {"prompt": "q", "response": "a"}
    for at in range(2):
        made.write_parquet(tmp_path / "own" / f"part-{at}.parquet", [FINE] * 3, ["q", "a"])
    cut = tmp_path / "own" / "part-0.parquet"
    cut.write_bytes(cut.read_bytes()[:-20])
    settings = {"path": str(tmp_path / "own"), "columns": columns, "files": ["*.parquet"]}
    with pytest.raises(BadRows, match=r"^part-0\.parquet: row 1: no more can be read"):
        read(settings)
    _, traces, _ = read(settings, bad_rows="skip")
    assert [trace["id"] for trace in traces] == [f"src/part-1.parquet:{at}" for at in (1, 2, 3)]


def test_two_readings_give_the_same_bytes_and_no_path(cache, read, tmp_path):
    made.cache(cache, made.opencodereasoning2(40), questions=30)
    names = ("problems.parquet", "problems.json", "traces.parquet", "traces.json")
    read(OCR2)
    first = [(tmp_path / name).read_bytes() for name in names]
    read(OCR2)
    assert [(tmp_path / name).read_bytes() for name in names] == first
    assert not any(str(tmp_path).encode() in content for content in first)


def test_paths_lead_into_columns():
    row = {"a.b": 1, "c": [{"d": 2}]}
    assert [reading.at(row, path) for path in ("a.b", "c.0.d", "absent")] == [1, 2, None]
    with pytest.raises(BadRow, match=r"column c\.1\.d: there is none"):
        reading.at(row, "c.1.d")


@pytest.mark.parametrize(
    ("value", "said"),
    [(1700.0, "1700"), (" EASY ", "EASY"), ("UNKNOWN_DIFFICULTY", None), (float("nan"), None)],
)
def test_labels_that_say_nothing_are_none(value, said):
    assert reading.word({"difficulty": value}, "difficulty") == said


@pytest.mark.parametrize(
    ("value", "right"), [("Right", True), (True, True), ("0", False), (1, True), ("wrong ", False)]
)
def test_words_for_right_and_wrong(value, right):
    from collections import Counter

    assert reading.correct({"judgement": value}, "judgement", 1.0, Counter()) is right
