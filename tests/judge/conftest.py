"""What the judge's tests share."""

import pytest
from valley.judging import batch


@pytest.fixture
def judged(monkeypatch) -> list[str]:
    """The programs that were really run."""
    seen = []
    original = batch.judge_program

    def counted(sandboxes, program, *rest):
        seen.append(program)
        return original(sandboxes, program, *rest)

    monkeypatch.setattr(batch, "judge_program", counted)
    return seen
