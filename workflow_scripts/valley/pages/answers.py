"""Example answers for the report: few problems, all arms, side by side.

People learn most from reading answers, but all of them are too many for a page. The problems are
chosen by a rule that anyone can repeat: half by a hash of their id (a fair sample), half where the
arms differ most (where there is something to see). Long answers lose their middle.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from valley.analysis.load import marked_problems
from valley.core.files import read_json, write_json
from valley.judging.answers import Extraction
from valley.judging.packages import missing_package

BUDGET = 8_000_000  # characters of answers in one page, over all benchmarks
MOST, LEAST = 24, 6  # problems of a benchmark
WORTH_READING = 4_000  # characters an answer should get before more problems are shown
LONGEST, SHORTEST = 16_000, 1_200
TEST_SHOWN = 400


def sizes(arms: int, benchmarks: int, problems: int | None = None) -> tuple[int, int, int]:
    """Return how many problems and answers a problem are shown, and each answer's characters.

    Args:
        arms: arms shown.
        benchmarks: benchmarks in the page, which share the budget.
        problems: as many problems as wanted, whatever the page's size; by default what fits.
    """
    share = BUDGET // max(benchmarks, 1)
    arms = max(arms, 1)
    shown = problems or min(MOST, max(LEAST, share // (arms * WORTH_READING)))
    samples = 2 if arms * shown * 2 * WORTH_READING <= share else 1
    each = LONGEST if problems else share // (arms * shown * samples)
    return shown, samples, max(SHORTEST, min(LONGEST, each))


def chosen(shares: dict[str, list[float]], number: int) -> list[tuple[str, str]]:
    """Return the problems to show, each with why: "sample" or "differs".

    Args:
        shares: for each problem the share of accepted answers in each arm.
        number: how many.
    """
    by_hash = sorted(shares, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    fair = by_hash[: (number + 1) // 2]

    def spread(name: str) -> float:
        values = shares[name]
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / len(values)

    rest = [name for name in by_hash if name not in set(fair)]
    differing = sorted(rest, key=lambda name: -spread(name))[: number - len(fair)]
    return [(name, "sample") for name in fair] + [(name, "differs") for name in differing]


def collect(
    arms: list[dict],
    problems: Path,
    out: Path,
    *,
    benchmark: str,
    benchmarks: int,
    number: int | None = None,
    finding: Extraction | None = None,
) -> None:
    """Write the examples of one benchmark as JSON.

    Args:
        arms: place, generations and verdicts of each scored arm, with its setting.
        problems: the benchmark.
        out: file to write.
        benchmark: its name.
        benchmarks: how many benchmarks share the page.
        number: problems to show; by default what fits.
        finding: how programs were found; by default the robust way.
    """
    finding = finding or Extraction()
    shares = defaultdict(list)
    for arm in arms:
        for problem, share in _shares(arm["verdicts"]).items():
            shares[problem].append(share)
    count, samples, each = sizes(len(arms), benchmarks, number)
    picked = chosen(dict(shares), count)
    names = [name for name, _ in picked]
    columns = ["id", "statement", "difficulty", "function_name", "tests"]
    wanted = [("id", "in", names)]
    questions = pq.read_table(problems, columns=columns, filters=wanted).to_pylist()
    described = {row["id"]: row for row in questions}
    failed = {name: set() for name in names}
    answers = []
    for arm in arms:
        texts, judged = _texts(arm["generations"], names), _verdicts(arm["verdicts"], names)
        mine = []
        for name in names:
            rows = sorted(judged.get(name, []), key=lambda row: row["sample"])
            shown = []
            for row in rows[:samples]:
                text = texts.get((name, row["sample"]))
                if text is not None:
                    program = finding.program(text["text"], described[name])
                    shown.append({**_describe_answer(row), **_parts(text, program, each)})
                if row["failed_test"] is not None:
                    failed[name].add(row["failed_test"])
            accepted = sum(row["verdict"] == "accepted" for row in rows)
            errors = sum(row["verdict"] == "judge_error" for row in rows)
            mine.append({"accepted": accepted, "judged": len(rows) - errors, "shown": shown})
        answers.append(mine)
    write_json(
        out,
        {
            "benchmark": benchmark,
            "problems": [
                {
                    "id": name,
                    "why": why,
                    "statement": _cut(described[name]["statement"] or "", LONGEST),
                    "difficulty": described[name]["difficulty"],
                    "tests": len(described[name]["tests"] or []),
                    "failed": _tests(described[name]["tests"] or [], failed[name]),
                }
                for name, why in picked
            ],
            "of": len(shares),
            "marked": int(marked_problems(problems).sum()),
            "lacking": _lacking(arm["verdicts"] for arm in arms),
            "characters": each,
            "arms": [
                {key: arm[key] for key in arm if key not in ("generations", "verdicts")}
                for arm in arms
            ],
            "answers": answers,
        },
    )


def read(paths: list[Path]) -> list[dict]:
    """Return the examples of several benchmarks."""
    return [read_json(path) for path in paths]


def _lacking(paths: Iterable[Path]) -> dict[str, int]:
    """Return how many programs lacked a package, by its name."""
    found = Counter()
    for path in paths:
        for word in pq.read_table(path, columns=["detail"])["detail"].to_pylist():
            found[missing_package(word or "")] += 1
    return {name: found[name] for name in sorted(filter(None, found))}


def _shares(path: Path) -> dict[str, float]:
    """Return each problem's share of accepted answers."""
    import pandas as pd

    table = pd.read_parquet(path, columns=["problem_id", "verdict"])
    accepted = table["verdict"] == "accepted"
    return accepted.groupby(table["problem_id"], sort=False).mean().to_dict()


def _verdicts(path: Path, names: list[str]) -> dict[str, list[dict]]:
    rows = defaultdict(list)
    for row in pq.read_table(path, filters=[("problem_id", "in", names)]).to_pylist():
        rows[row["problem_id"]].append(row)
    return rows


def _texts(path: Path, names: list[str]) -> dict[tuple[str, int], dict]:
    columns = ["problem_id", "sample", "text", "finish_reason", "tokens"]
    table = pq.read_table(path, columns=columns, filters=[("problem_id", "in", names)])
    return {(row["problem_id"], row["sample"]): row for row in table.to_pylist()}


def _describe_answer(row: dict) -> dict:
    kept = {key: row[key] for key in ("sample", "verdict", "failed_test", "tests_passed")}
    return {**kept, "detail": _cut(row["detail"] or "", 600)}


def _parts(row: dict, program: str | None, characters: int) -> dict:
    """Split an answer into its reasoning, what follows, and the program that was run."""
    text = row["text"] or ""
    head, closed, tail = text.partition("</think>")
    if closed:
        reasoning, rest = head.replace("<think>", "", 1).strip("\n"), tail.strip("\n")
    elif "<think>" in text:
        reasoning, rest = text.partition("<think>")[2].strip("\n"), ""
    else:
        reasoning, rest = "", text.strip("\n")
    own = _cut(program, characters // 2) if program else None
    left = characters - len(own or "")
    plain = rest.replace("```python", "").replace("```", "").strip()
    bare = program is not None and plain == program.strip()
    return {
        "finish": row["finish_reason"],
        "tokens": row["tokens"],
        "reasoning": _cut(reasoning, left * 2 // 3),
        "rest": "" if bare else _cut(rest, left // 3),
        "program": own,
        "length": len(text),
    }


def _cut(text: str, most: int) -> str:
    """Return a text without its middle where it is too long."""
    if len(text) <= most:
        return text
    left = most // 3
    gone = len(text) - most
    return f"{text[:left]}\n[… {gone:,} characters left out …]\n{text[len(text) - (most - left) :]}"


def _tests(tests: list[dict], wanted: set[int]) -> dict[str, dict]:
    return {
        str(at): {key: _cut(tests[at][key] or "", TEST_SHOWN) for key in ("input", "expected")}
        for at in sorted(wanted)
        if at < len(tests)
    }
