"""Cleaning: what is dropped, what is near to what, and what benchmarks have too."""

import random

import foreign_corpora as made
import pytest
from judge import LABEL
from pool import GivenLabels, Pool
from valley.core.files import POOL, PROBLEM, read_json, read_parquet, write_parquet
from valley.core.sources import Cleaning
from valley.corpora.cleaning import NearDuplicates, language, repeated
from valley.corpora.decontaminate import contaminated
from valley.corpora.join import plain_problem
from valley.corpora.ngrams import ngrams
from valley.corpora.page import render
from valley.corpora.pooling import Difficulty
from valley.workflow.job import Job

CLEANING = Cleaning(max_tokens=500)
RNG = random.Random(1)


def trace(name: str, response: str, **changed) -> dict:
    row = {
        "id": name,
        "problem_id": f"p-{name}",
        "prompt": f"question of {name}",
        "response": response,
        "difficulty": "EASY",
        "correct": None,
        "teacher": "t",
        "tokens": len(response.split()),
        "source": "s",
    }
    return {**row, **changed}


def thoughtful(words: int = 80, code: str = "print(1)", fence: str = "python") -> str:
    return made.answer(code, made.thoughts(RNG, words), fence)


@pytest.mark.parametrize(
    ("after", "spoken"),
    [
        ("```python\nprint(1)\n```", "python"),
        ("```py\nprint(\n```", "python"),  # it does not parse: a wrong program, Python all the same
        ("```cpp\nint main() {}\n```", "cpp"),
        ("```\nprint(1)\n```", "python"),
        ("```\n#include <cstdio>\nint main() { return 0; }\n```", "unknown"),
        ("```cpp\nint main() {}\n```\nor\n```python\nprint(1)\n```", "python"),
        ("```\n" + "(" * 100_000 + "\n```", "unknown"),
        ("The answer is 7.", None),
    ],
)
def test_a_programs_language_is_its_fences_or_what_parses(after, spoken):
    assert language(f"<think>x</think>\n{after}") == spoken


ROWS = {
    "clean": trace("clean", thoughtful()),
    "contaminated": trace("contaminated", thoughtful()),
    "malformed": trace("malformed", "<think>never closed"),
    "no_program": trace("no_program", "<think>x</think>It is 7."),
    "language": trace("language", thoughtful(code="int main() {}", fence="cpp")),
    "too_long": trace("too_long", thoughtful(900)),
}
ROWS["duplicate"] = {**ROWS["clean"], "id": "duplicate"}
NEAR = ROWS["clean"]["response"].replace("print(1)", "print(1 + 0)")
ROWS["near_duplicate"] = {**ROWS["clean"], "id": "near_duplicate", "response": NEAR}
ROWS["repeated_id"] = trace("clean", thoughtful())


def pooled(tmp_path, rows, cleaning=CLEANING, benchmark=(), labels=None, **options):
    """Make a pool of rows; return it and its summary."""
    problems = [plain_problem(r["problem_id"], r["prompt"], "", "s") for r in rows]
    unique = {problem["id"]: problem for problem in problems}.values()
    write_parquet(tmp_path / "problems", list(unique), PROBLEM)
    write_parquet(tmp_path / "traces", rows, POOL)
    asked = [plain_problem("b", text, "", "bench") for text in benchmark]
    write_parquet(tmp_path / "bench.parquet", asked, PROBLEM)
    if labels is None:
        GivenLabels(traces=[tmp_path / "traces"], out=tmp_path / "labels").run(Job())
    else:
        write_parquet(tmp_path / "labels", labels, LABEL)
    Pool(
        problems=tmp_path / "problems",
        traces=[tmp_path / "traces"],
        labels=tmp_path / "labels",
        benchmarks=[tmp_path / "bench.parquet"],
        pool=tmp_path / "pool",
        summary=tmp_path / "summary",
        difficulties={"easy": ["EASY"], "hard": ["HARD"]},
        cleaning=cleaning,
        **options,
    ).run(Job())
    return read_parquet(tmp_path / "pool"), read_json(tmp_path / "summary")


def test_each_trace_counts_for_the_first_step_that_it_fails(tmp_path):
    kept, summary = pooled(tmp_path, [*ROWS.values()], benchmark=["question of contaminated"])
    assert [row["id"] for row in kept] == ["clean"]
    assert summary["dropped"] == dict.fromkeys(set(ROWS) - {"clean"}, 1)
    assert summary["traces"] == 9


def test_every_step_but_the_first_ones_can_be_switched_off(tmp_path):
    off = Cleaning(languages=None, max_tokens=None, near_duplicates=None)
    _, summary = pooled(tmp_path, [*ROWS.values()], cleaning=off)
    assert set(summary["dropped"]) == {
        *("contaminated", "malformed", "duplicate"),
        *("no_program", "repeated_id"),
    }
    _, summary = pooled(tmp_path, [*ROWS.values()], cleaning=None)
    assert summary["kept"] == 6


def test_of_three_equal_traces_the_first_that_stays_is_kept(tmp_path):
    """What is dropped for another reason makes nobody else a duplicate."""
    text = thoughtful()
    twin = [trace(name, text, prompt="same", problem_id="p") for name in ("clean", "a", "b")]
    kept, summary = pooled(tmp_path, [ROWS["clean"], *twin])
    assert [row["id"] for row in kept] == ["clean", "a"]
    assert summary["dropped"] == {
        **{"contaminated": 0, "malformed": 0},
        **{"duplicate": 1, "repeated_id": 1},
    }


def test_labels_of_other_traces_are_refused(tmp_path):
    wrong = [{"id": "someone", "correct": True, "verdict": None}]
    with pytest.raises(ValueError, match="the label of clean is that of someone"):
        pooled(tmp_path, [ROWS["clean"]], labels=wrong)
    assert not (tmp_path / "pool").exists()


@pytest.mark.parametrize(("share", "near"), [(0.99, True), (0.5, False), (0.0, False)])
def test_near_duplicates_share_most_of_their_words(share, near):
    rng, found = random.Random(3), NearDuplicates(0.8)
    for _ in range(30):
        words = [str(rng.random()) for _ in range(1000)]
        other = words[: int(share * 1000)] + [str(rng.random()) for _ in range(1000)]
        found.add(" ".join(words))
        found.add(" ".join(other[:1000]))
    import numpy as np

    dropped = found.found(np.zeros(60, bool))
    assert not dropped[::2].any()
    assert dropped[1::2].all() if near else not dropped.any()


def test_similarity_is_estimated_without_bias():
    """The share of equal places in two signatures is the n-grams' Jaccard similarity."""
    import numpy as np

    rng = random.Random(4)
    for changed in (1, 5, 20):
        words = [str(rng.random()) for _ in range(2000)]
        other = list(words)
        for at in range(changed):
            other[at * 90] = "x"
        a, b = ngrams(" ".join(words), 5), ngrams(" ".join(other), 5)
        true = len(np.intersect1d(a, b)) / len(np.union1d(a, b))
        sketch = NearDuplicates(0.8)
        sketch.add(" ".join(words)), sketch.add(" ".join(other))
        sketch._file.flush()
        one, two = np.memmap(sketch._file, "<u4", "r", shape=(2, 64))
        assert abs((one == two).mean() - true) < 4 * (true * (1 - true) / 64) ** 0.5 + 0.01


def test_repeated_finds_all_but_the_first():
    prints = [b"a" * 16, b"b" * 16, b"a" * 16, b"a" * 16, b"c" * 16]
    assert repeated(b"".join(prints)).tolist() == [False, False, True, True, False]
    assert repeated(b"").tolist() == []


LONG = " ".join(f"word{at}" for at in range(100))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (LONG, True),
        (LONG.upper().replace(" ", ",\n"), True),
        ("A story. " + LONG + " And more of it.", True),
        (" ".join(LONG.split()[:60]), True),
        (" ".join(LONG.split()[:40] + [f"other{at}" for at in range(60)]), False),
        ("Print the sum of all numbers.", False),
    ],
    ids=["equal", "case and marks", "quoted", "abridged", "a part in common", "another"],
)
def test_a_benchmarks_problem_is_found_however_it_is_dressed(tmp_path, statement, found):
    write_parquet(tmp_path / "p", [plain_problem("mine", statement, "", "s")], PROBLEM)
    write_parquet(tmp_path / "lcb.parquet", [plain_problem("theirs", LONG, "", "lcb")], PROBLEM)
    ids, closest = contaminated(tmp_path / "p", [tmp_path / "lcb.parquet"], words=10, overlap=0.5)
    assert ids == ({"mine"} if found else set())
    if closest:
        assert closest[0]["benchmark_problem"] == "theirs"
        assert closest[0]["dropped"] is found


def test_short_statements_are_the_same_only_as_a_whole(tmp_path):
    texts = ["Add two numbers.", "Add two numbers", "Add three numbers."]
    rows = [plain_problem(str(at), text, "", "s") for at, text in enumerate(texts)]
    write_parquet(tmp_path / "p", rows, PROBLEM)
    write_parquet(tmp_path / "b.parquet", rows[:1], PROBLEM)
    ids, _ = contaminated(tmp_path / "p", [tmp_path / "b.parquet"], words=10, overlap=0.5)
    assert ids == {"0", "1"}


def test_the_closest_matches_are_shown_on_both_sides_of_the_threshold(tmp_path):
    words = LONG.split()
    rows = [
        plain_problem(
            f"p{at:03d}", " ".join(words[:at] + [f"x{at}-{n}" for n in range(100 - at)]), "", "s"
        )
        for at in range(100)
    ]
    write_parquet(tmp_path / "p", rows, PROBLEM)
    write_parquet(tmp_path / "b.parquet", [plain_problem("b", LONG, "", "s")], PROBLEM)
    ids, closest = contaminated(tmp_path / "p", [tmp_path / "b.parquet"], words=10, overlap=0.5)
    overlaps = [match["overlap"] for match in closest]
    assert [match["dropped"] for match in closest] == [True] * 20 + [False] * 20
    assert overlaps == sorted(overlaps, reverse=True)
    assert min(overlaps[:20]) >= 0.5 > max(overlaps[20:]) > 0.4
    assert len(ids) == sum(1 for at in range(100) if (at - 9) / 91 >= 0.5)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        *[("EASY", "easy"), ("800", "easy"), ("1400.0", "easy"), ("1401", "mid"), ("3500", "hard")],
        *[("7", None), ("VERY_HARD", None), (None, None), ("9000", None)],
    ],
)
def test_labels_first_then_ratings(label, said):
    words = Difficulty({"easy": ["EASY"]}, {"easy": 1400, "mid": 2000, "hard": None})
    assert words.word(label) == said


def test_traces_without_a_difficulty_are_kept_and_counted_by_label(tmp_path):
    rows = [trace(str(label), thoughtful(), difficulty=label) for label in ("EASY", "9", None)]
    kept, summary = pooled(tmp_path, rows)
    assert [row["difficulty"] for row in kept] == ["easy", None, None]
    assert summary["without_difficulty"] == 2
    assert summary["unmapped_difficulties"] == {"": 1, "9": 1}
    assert summary["slices"]["all.any"] == 3
    assert summary["slices"]["easy.any"] == 1


def test_the_page_tells_what_became_of_the_corpus(tmp_path):
    _, summary = pooled(tmp_path, [*ROWS.values()], benchmark=["question of contaminated"])
    page = render(summary)
    assert "1 of 9 traces are kept" in page
    assert "nearly the same answer as an earlier trace" in page
    assert "question of contaminated" in page
