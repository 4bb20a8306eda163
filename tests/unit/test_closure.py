"""The code digest: moved by logic that a stage reaches, by nothing else."""

import textwrap

import pytest
from valley.core.closure import _locate, _parsed, code_digest

SOURCES = {
    "stage.py": '''
        """A stage."""
        import helpers.numbers as numbers
        from helpers.texts import shout
        LIMIT = 3
        UNUSED = 4
        def run(x):
            """Run."""
            return numbers.double(x) + LIMIT
        def other(x):
            from helpers.late import lazy
            return shout(lazy(x))
        def namesake(x):
            from helpers import late as numbers
            return numbers.lazy(x)
    ''',
    "helpers/__init__.py": "",
    "helpers/numbers.py": """
        def double(x):
            return scale(x, 2)
        def scale(x, by):
            return x * by
        def unused(x):
            return x
    """,
    "helpers/texts.py": """
        def shout(x):
            return x.upper()
    """,
    "helpers/late.py": """
        SETTINGS = {}
        SETTINGS["loud"] = True
        def lazy(x):
            return x if SETTINGS else ""
    """,
}


@pytest.fixture
def digests(tmp_path):
    """Return a function: write the sources, with edits, and give both entries' digests."""

    def write(*edits):
        _locate.cache_clear(), _parsed.cache_clear()
        for name, source in SOURCES.items():
            text = textwrap.dedent(source)
            for file, old, new in edits:
                if file == name:
                    assert old in text
                    text = text.replace(old, new)
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tuple(code_digest("stage", entry, root=tmp_path) for entry in ("run", "other"))

    return write


@pytest.mark.parametrize(
    ("edit", "moved"),
    [
        (("stage.py", '"""Run."""', '"""Run it, now."""'), (False, False)),
        (("stage.py", "LIMIT = 3", "LIMIT = 3  # why three"), (False, False)),
        (("stage.py", "double(x) + LIMIT", "double(\n        x\n    ) + (LIMIT)"), (False, False)),
        (("stage.py", "def run(x):", "def run(x: int) -> int:"), (False, False)),
        (("stage.py", "UNUSED = 4", "UNUSED = 5"), (False, False)),
        (("helpers/numbers.py", "return x\n", "return x + 0\n"), (False, False)),
        (("stage.py", "LIMIT = 3", "LIMIT = 4"), (True, False)),
        (("stage.py", "+ LIMIT", "- LIMIT"), (True, False)),
        (("helpers/numbers.py", "x * by", "by * x"), (True, False)),
        (("helpers/texts.py", "upper", "lower"), (False, True)),
        (("helpers/late.py", "return x if", "return x + x if"), (False, True)),
        (("helpers/late.py", '"loud"] = True', '"loud"] = False'), (False, True)),
    ],
    ids=lambda value: value[2] if isinstance(value[0], str) else "",
)
def test_the_digest_moves_with_what_the_entry_reaches_only(digests, edit, moved):
    before, after = digests(), digests(edit)
    assert tuple(old != new for old, new in zip(before, after, strict=True)) == moved


def test_the_binding_to_snakemake_does_not_count(digests):
    binding = 'UNUSED = 4\nif "snakemake" in globals():\n    run(1)\n'
    assert digests() == digests(("stage.py", "UNUSED = 4\n", binding))


def test_an_entry_that_does_not_exist_is_named(digests, tmp_path):
    digests()
    with pytest.raises(KeyError, match="'stage' defines no 'walk'"):
        code_digest("stage", "walk", root=tmp_path)


def test_training_does_not_reach_the_judge_nor_the_judge_training():
    from valley.core import closure

    def modules(module, entry):
        seen, todo = set(), [(module, entry)]
        while todo:
            item = todo.pop()
            if item not in seen:
                seen.add(item)
                todo += closure._Module.read(item[0], closure.ROOT).reaches(item[1])
        return {name.removeprefix("valley.").split(".")[0] for name, _ in seen}

    assert modules("train", "Train") == {"train", "lm", "core"}
    assert "lm" not in modules("judge", "Judge")
    assert "judging" in modules("judge", "Judge")
