"""A results folder as a finished study leaves it, its answers drawn instead of sampled."""

import json
import random
from pathlib import Path

import numpy as np
import yaml
from valley.core.files import GENERATION, PROBLEM, VERDICT, write_json, write_parquet
from valley.core.layout import Layout
from valley.core.study import Study

TESTS = 6
STATEMENT = (
    "You are given a list of whole numbers on one line. Keep those that are even, add {k} to each "
    "of them, and print their running sums, one a line. If none is left, print 0."
)
PROGRAM = """values = list(map(int, input().split()))
kept = [value + {k} for value in values if value % 2 == 0]
total = 0
for value in kept or [0]:
    total += value
    print(total)
"""
_DRAW = random.Random(3)
_WORDS = ("so", "first", "keep", "the", "even", "ones", "then", "add", "check", "a", "sample")
THOUGHTS = " ".join(_DRAW.choice(_WORDS) for _ in range(20000))


def config(sizes: list[int], seeds: list[int], problems: int, samples: int = 4) -> dict:
    """Return a study file: a scaling axis, and easy against hard from two starts."""
    recipe = {"learning_rate": 0.001, "batch_examples": 8, "epochs": 3}
    student = {"vocabulary": 600, "hidden": 32, "layers": 2, "heads": 2}
    return {
        "study": "generated",
        "note": "Generated for tests: no model was trained.",
        "corpus": {
            "bank": {"problems": 400},
            "teachers": {"procedural": {"mistakes": 0.2}},
            "difficulties": {"easy": ["easy"], "hard": ["medium", "hard"]},
        },
        "benchmarks": {"bank": {"bank": {"problems": problems}}},
        "students": {"tiny": {"scratch": {**student, "pairs": 100, "recipe": "distil"}}},
        "recipes": {"distil": recipe},
        "starts": {"mid": {"recipe": "distil", "slice": "all.any", "size": sizes[-2]}},
        "sampling": {"samples": samples, "max_tokens": 2048},
        "statistics": {"bootstrap": 200},
        "axes": {
            "scaling": {
                "question": "How does pass@1 move with the number of traces?",
                "recipes": ["distil"],
                "sizes": sizes,
                "seeds": seeds,
                "curve": True,
            },
            "difficulty": {
                "question": "Do easier questions help more than harder ones?",
                "recipes": ["distil"],
                "starts": ["base", "mid"],
                "slices": ["easy.any", "hard.any"],
                "sizes": sorted({sizes[2], sizes[-2]}),
                "contrasts": [{"field": "slice", "a": "easy.any", "b": "hard.any"}],
            },
        },
    }


def level(arm) -> float:
    """Return the pass@1 of an arm: a valley over sizes, a little more for easy and for mid."""
    if not arm.size:
        return 0.33
    fall = 0.33 * np.exp(-((arm.size / 20) ** 1.2))
    rise = 0.62 / (1 + (900 / arm.size) ** 1.1)
    more = {"easy.any": 0.08}.get(arm.slice, 0.0) + (0.1 if arm.start == "mid" else 0.0)
    return float(np.clip(fall + rise + more + 0.015 * (arm.seed - 0.5), 0, 0.95))


def write(
    folder: Path,
    declared: dict,
    *,
    length: int = 600,
    answer=None,
    told: str = "expected '7', got '3'",
    right: bool | None = None,
) -> Layout:
    """Write the study file and every result that a report reads; return where they lie.

    Args:
        folder: working directory.
        declared: the study file.
        length: characters of an answer's reasoning.
        answer: from (arm, problem, sample, right) to an answer's text; by default one with a tag
            that larger arms use more often.
        told: detail of the verdicts that are not accepted, and input of every test.
        right: whether every answer is; by default a share that depends on the arm.
    """
    (folder / "study.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    layout = Layout(Study({**declared, "results": str(folder / "results")}))
    root, study = Path(layout.root), layout.study
    count = declared["benchmarks"]["bank"]["bank"]["problems"]
    ids = [f"bank-{number:04d}" for number in range(count)]
    rng = np.random.default_rng(5)
    ease = rng.normal(size=count)
    write_parquet(
        root / "benchmarks/bank.parquet", [_problem(n, i) for i, n in enumerate(ids)], PROBLEM
    )
    for arm in study.evaluated():
        _answers(
            layout, arm, ids, ease, lambda *what: (answer or _text)(*what, length), told, right
        )
    for arm in study.arms:
        at = root / "checkpoints" / arm.path
        about = {"examples": arm.size, "updates": arm.size * 3 // 8, "tokens": arm.size * 400}
        about |= {
            "final_loss": 0.9 / (1 + arm.size / 500),
            "overlong": {"policy": "drop", "count": 0},
        }
        write_json(at / "checkpoint.json", about)
    slices = {
        f"{d}.{c}": 4000 for d in ("all", "easy", "hard") for c in ("any", "correct", "incorrect")
    }
    summary = {"traces": 6100, "kept": 6000, "problems": 5900, "tokens": 2400000, "slices": slices}
    dropped = {"contaminated": 60, "malformed": 30, "duplicate": 10}
    write_json(root / "corpus/summary.json", {**summary, "dropped": dropped})
    return layout


def _problem(name: str, number: int) -> dict:
    tests = [
        {"input": f"{i} {i + 1} {i + 2}", "expected": f"{i + number}", "public": i < 2}
        for i in range(TESTS)
    ]
    difficulty = ("easy", "medium", "hard")[number % 3]
    return {
        "id": name,
        "statement": STATEMENT.format(k=number),
        "difficulty": difficulty,
        "tests": tests,
    }


def _text(arm, problem: str, sample: int, right: bool, length: int) -> str:
    draw = random.Random(f"{arm.path}{problem}{sample}")
    program = f"```python\n{PROGRAM.format(k=int(problem[-4:]) if right else 0)}```"
    if draw.random() > arm.size / (arm.size + 60):
        return program
    at = draw.randrange(len(THOUGHTS) - length)
    thought = THOUGHTS[at : at + length]
    return f"<think>{thought}</think>\n\nHere is the program.\n\n{program}"


def _answers(layout, arm, ids, ease, answer, told: str, all_right: bool | None) -> None:
    rng = np.random.default_rng(sum(map(ord, arm.path)))
    mean = min(max(level(arm), 0.002), 0.95)
    shares = 1 / (1 + np.exp(-(np.log(mean / (1 - mean)) + 1.4 * ease)))
    checkpoint, generations, verdicts = layout.study.checkpoint_name(arm), [], []
    for name, value in zip(ids, shares, strict=True):
        for sample in range(layout.study.config["sampling"]["samples"]):
            right, cut = bool(rng.random() < value), bool(rng.random() < 0.1)
            right = right if all_right is None else all_right
            text = answer(arm, name, sample, right)
            verdict = "accepted" if right else ("wrong_answer", "runtime_error")[sample % 2]
            failed = None if right else int(rng.integers(TESTS))
            key = {"problem_id": name, "sample": sample}
            reason = "stop" if right or not cut else "length"
            generations.append(
                {**key, "text": text, "finish_reason": reason, "tokens": len(text) // 4, "seed": 1}
            )
            detail = None if right else told
            passed = TESTS if right else failed
            verdicts.append(
                {
                    **key,
                    "verdict": verdict,
                    "failed_test": failed,
                    "tests_passed": passed,
                    "detail": detail,
                }
            )
    write_parquet(
        layout.result("generations", checkpoint, "bank", "parquet"), generations, GENERATION
    )
    write_parquet(layout.result("verdicts", checkpoint, "bank", "parquet"), verdicts, VERDICT)


def embedded(page: str) -> list[dict]:
    """Return the example answers that a page holds."""
    block = page.partition('id="answers-data">')[2].partition("</script>")[0]
    return json.loads(block)
