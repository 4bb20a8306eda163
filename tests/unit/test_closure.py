"""The code digest: moved by logic that a stage reaches, by nothing else."""

import ast
import textwrap
from pathlib import Path

import pytest
from valley.core.closure import DATA, WRAPPER, _locate, _Module, _parsed, closure, code_digest

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
        (
            ("stage.py", "def run(x):", "from typing import Any\ndef run(x: Any) -> Any:"),
            (False, False),
        ),
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
    def modules(module, entry):
        names = {name.removeprefix("valley.") for name, _ in closure(module, entry)}
        return {name.split(".")[0] for name in names - {"valley"}}

    assert modules("train", "Train") == {"train", "lm", "core"}
    assert "lm" not in modules("judge", "Judge")
    assert "judging" in modules("judge", "Judge")


NUMBERS = {"pack/__init__.py": "", "pack/numbers.py": "def half(x):\n    return x / 2\n"}
HALVED = ("pack/numbers.py", "x / 2", "x // 2")
# Sources, an edit of them, and whether the digest of stage.run has to move.
FOLLOWED = {
    "a chain of attributes": (
        "import pack.numbers\ndef run(x):\n    return pack.numbers.half(x)",
        {},
        HALVED,
    ),
    "a chain from a package": (
        "import pack\nimport pack.numbers\ndef run(x):\n    return pack.numbers.half(x)",
        {},
        HALVED,
    ),
    "a chain from a renamed package": (
        "import pack as p\ndef run(x):\n    return p.numbers.half(x)",
        {"pack/__init__.py": "from pack import numbers"},
        HALVED,
    ),
    "an import by a relative name": (
        "from pack.middle import go as run",
        {"pack/middle.py": "from .numbers import half\ndef go(x):\n    return half(x)"},
        HALVED,
    ),
    "an import of a relative module": (
        "from pack.middle import go as run",
        {"pack/middle.py": "from . import numbers as n\ndef go(x):\n    return n.half(x)"},
        HALVED,
    ),
    "an import of everything": (
        "from pack.numbers import *\ndef run(x):\n    return half(x)",
        {},
        HALVED,
    ),
    "a module handed on": (
        "from pack import numbers\ndef run(x):\n    return [m.half(x) for m in (numbers,)]",
        {},
        HALVED,
    ),
    "a name made of text": (
        "from pack import numbers\ndef run(x):\n    return getattr(numbers, 'ha' + 'lf')(x)",
        {},
        HALVED,
    ),
    "a module's own names as a table": (
        "def half(x):\n    return x / 2\ndef run(x):\n    return globals()['half'](x)",
        {},
        ("stage.py", "x / 2", "x // 2"),
    ),
    "a module imported by a word": (
        "import importlib\ndef run(x):\n    return importlib.import_module('pack.numbers').half(x)",
        {},
        HALVED,
    ),
    "a module that is run by its path": (
        "from pathlib import Path\nTOOL = Path(__file__).parent / 'pack' / 'numbers.py'\n"
        "def run(x):\n    return TOOL",
        {},
        HALVED,
    ),
    "a decorator": (
        "from pack.numbers import half\n@half\ndef run(x):\n    return x",
        {},
        HALVED,
    ),
    "a default argument": (
        "from pack.numbers import half\ndef run(x, by=half):\n    return by(x)",
        {},
        HALVED,
    ),
    "an attribute of a class": (
        "from pack.numbers import half\nclass Tool:\n    use = half\n"
        "def run(x):\n    return Tool.use(x)",
        {},
        HALVED,
    ),
    "a method of a base class": (
        "from pack.numbers import Base\nclass Tool(Base):\n    pass\n"
        "def run(x):\n    return Tool().half(x)",
        {"pack/numbers.py": "class Base:\n    def half(self, x):\n        return x / 2"},
        HALVED,
    ),
    "a lambda in a table": (
        "from pack.numbers import half\nTABLE = {'a': lambda x: half(x)}\n"
        "def run(x):\n    return TABLE['a'](x)",
        {},
        HALVED,
    ),
    "a definition under a condition": (
        "import sys\nif sys.version_info:\n    def half(x):\n        return x / 2\n"
        "def run(x):\n    return half(x)",
        {},
        ("stage.py", "x / 2", "x // 2"),
    ),
    "an import under a condition": (
        "try:\n    from pack.numbers import half\nexcept ImportError:\n    half = None\n"
        "def run(x):\n    return half(x)",
        {},
        HALVED,
    ),
    "a definition under a condition elsewhere": (
        "from pack.numbers import half\ndef run(x):\n    return half(x)",
        {"pack/numbers.py": "try:\n    def half(x):\n        return x / 2\nfinally:\n    pass"},
        HALVED,
    ),
    "a name handed on by a package": (
        "from pack import half\ndef run(x):\n    return half(x)",
        {"pack/__init__.py": "from pack.numbers import half"},
        HALVED,
    ),
    "a name made by a module's __getattr__": (
        "from pack import numbers\ndef run(x):\n    return numbers.half(x)",
        {"pack/numbers.py": "def __getattr__(name):\n    return lambda x: x / 2"},
        HALVED,
    ),
    "another module changed on import": (
        "from pack import numbers, tools\nnumbers.half = tools.third\n"
        "def run(x):\n    return numbers.half(x)",
        {"pack/tools.py": "def third(x):\n    return x / 3"},
        ("pack/tools.py", "x / 3", "x // 3"),
    ),
    "a module imported for what it does": (
        "import pack.tools\ndef run(x):\n    return x",
        {"pack/tools.py": "import sys\nsys.setrecursionlimit(5000)"},
        ("pack/tools.py", "5000", "6000"),
    ),
    "what a package does on import": (
        "from pack.numbers import half\ndef run(x):\n    return half(x)",
        {"pack/__init__.py": "import sys\nsys.setrecursionlimit(5000)"},
        ("pack/__init__.py", "5000", "6000"),
    ),
    "a function that is put into a register": (
        "from pack import register, tools\ndef run(x):\n    return register.KNOWN['half'](x)",
        {
            "pack/register.py": "KNOWN = {}\n"
            "def known(f):\n    KNOWN[f.__name__] = f\n    return f",
            "pack/tools.py": "from pack.register import known\n"
            "@known\ndef half(x):\n    return x / 2",
        },
        ("pack/tools.py", "x / 2", "x // 2"),
    ),
    "which function of a library": (
        "from math import floor as cut\ndef run(x):\n    return cut(x)",
        {},
        ("stage.py", "floor", "ceil"),
    ),
    "names that change places": (
        "from pack.numbers import half, both as twice\ndef run(x):\n    return half(twice(x))",
        {"pack/numbers.py": "def half(x):\n    return x / 2\ndef both(x):\n    return x * 2"},
        ("stage.py", "half, both as twice", "both as half, half as twice"),
    ),
    "the type of a class' field": (
        "from typing import ClassVar\nclass Row:\n    size: int = 3\ndef run(x):\n    return Row()",
        {},
        ("stage.py", "size: int", "size: ClassVar[int]"),
    ),
    "a file beside the code": (
        "from pathlib import Path\nPAGE = Path(__file__).with_name('page.j2')\n"
        "def run(x):\n    return PAGE.read_text()",
        {"page.j2": "<h1>"},
        ("page.j2", "<h1>", "<h1 >"),
    ),
    "a folder of files": (
        "from pathlib import Path\nPAGES = Path(__file__).resolve().parents[0] / 'pages'\n"
        "def run(x):\n    return (PAGES / x).read_text()",
        {"pages/a.j2": "<h1>", "pages/b/c.css": "red"},
        ("pages/b/c.css", "red", "blue"),
    ),
}
NOT_FOLLOWED = {
    "another function of the module": (
        "import pack.numbers\ndef run(x):\n    return pack.numbers.half(x)",
        {"pack/numbers.py": "def half(x):\n    return x\ndef both(x):\n    return x * 2"},
        ("pack/numbers.py", "x * 2", "2 * x"),
    ),
    "another file beside the code": (
        "from pathlib import Path\nPAGE = Path(__file__).with_name('page.j2')\n"
        "def run(x):\n    return PAGE.read_text()",
        {"page.j2": "<h1>", "other.j2": "<h1>"},
        ("other.j2", "<h1>", "<h1 >"),
    ),
    "what only the binding imports": (
        "def run(x):\n    half = x\n    return half\n"
        "if 'snakemake' in globals():\n    from pack.numbers import half",
        {},
        HALVED,
    ),
    "the docstring of a body that has nothing else": (
        "class Fault(ValueError):\n    'A fault.'\ndef run(x):\n    raise Fault(x)",
        {},
        ("stage.py", "A fault.", "Faulty."),
    ),
}


def moved(folder, stage: str, sources: dict, edit: tuple[str, str, str]) -> bool:
    """Tell whether an edit moves the digest of `run` in stage.py."""
    digests = []
    for number, change in enumerate((None, edit)):
        root = folder / str(number)
        for name, text in {**NUMBERS, **sources, "stage.py": stage + "\n"}.items():
            if change and change[0] == name:
                assert change[1] in text
                text = text.replace(change[1], change[2])
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        entry = ("pack.middle", "go") if "go as run" in stage else ("stage", "run")
        digests.append(code_digest(*entry, root=root))
    return digests[0] != digests[1]


@pytest.mark.parametrize("case", FOLLOWED)
def test_what_a_definition_leads_to_is_followed(tmp_path, case):
    assert moved(tmp_path, *FOLLOWED[case])


@pytest.mark.parametrize("case", NOT_FOLLOWED)
def test_what_it_does_not_lead_to_is_not(tmp_path, case):
    assert not moved(tmp_path, *NOT_FOLLOWED[case])


SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
MODULES = {
    ".".join(path.relative_to(SCRIPTS).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SCRIPTS.rglob("*.py")
}


def test_every_file_of_data_is_named_by_code_that_digests_can_follow():
    data = {
        path.relative_to(SCRIPTS).as_posix()
        for path in SCRIPTS.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    data = {name for name in data if not name.startswith("valley/planning/")}  # makes no result
    named = set()
    for module, path in MODULES.items():
        source = _Module(module, SCRIPTS, path)
        for entry in source.definitions:
            named |= {name for name, kind in source.reaches(entry) if kind == DATA}
    assert data and data <= named


def test_modules_that_are_imported_by_a_made_up_name_are_known():
    # Rules that run these digest the module that their settings name, in a param of its own.
    known = {"generate", "valley.asking.local", "valley.slicing.rows"}
    found = set()
    for module, path in MODULES.items():
        if module.startswith(WRAPPER):  # in no digest
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", None)
            if name == "import_module" and not isinstance(node.args[0], ast.Constant):
                found.add(module)
    assert found == known
