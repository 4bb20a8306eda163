"""Finding the program in an answer: one row a case."""

import pytest
from valley.judging.answers import extract_program

CODE = "print(1)\n"
T = "```"

CASES = {
    "nothing": ("", None),
    "no text at all": (None, None),
    "prose only": ("I would loop over the list and add.", None),
    "python fence": (f"Here:\n{T}python\nprint(1)\n{T}\n", CODE),
    "py fence": (f"{T}py\nprint(1)\n{T}", CODE),
    "python3 fence": (f"{T}python3\nprint(1)\n{T}", CODE),
    "capital letters": (f"{T}Python\nprint(1)\n{T}", CODE),
    "space before the label": (f"{T} python\nprint(1)\n{T}", CODE),
    "unlabelled fence": (f"{T}\nprint(1)\n{T}", CODE),
    "tildes": ("~~~python\nprint(1)\n~~~", CODE),
    "another language": (f"{T}cpp\nint main() {{}}\n{T}", None),
    "another language, then python": (f"{T}cpp\nx\n{T}\n{T}python\nprint(1)\n{T}", CODE),
    "the last of several": (f"{T}python\nprint(0)\n{T}\nbetter:\n{T}python\nprint(1)\n{T}", CODE),
    "a sample's output after it": (f"{T}python\nprint(1)\n{T}\nprints\n{T}\n1\n{T}", CODE),
    "an empty block after it": (f"{T}python\nprint(1)\n{T}\n{T}python\n{T}", CODE),
    "after the reasoning": (
        f"<think>\n{T}python\nprint(0)\n{T}\n</think>\n{T}\nprint(1)\n{T}",
        CODE,
    ),
    "only in the reasoning": (f"<think>\n{T}python\nprint(0)\n{T}\n</think>\nDone.", None),
    "cut inside the reasoning": (f"<think>\n{T}python\nprint(0)\n{T}\nwait", None),
    "reasoning opened by the prompt": (
        f"so\n{T}\nprint(0)\n{T}\n</think>\n{T}\nprint(1)\n{T}",
        CODE,
    ),
    "two reasonings": (f"<think>a</think>b<think>c</think>\n{T}\nprint(1)\n{T}", CODE),
    "reopened and cut": (f"<think>a</think>\n{T}\nprint(0)\n{T}\n<think>no", None),
    "the program speaks of the tag": (
        f"<think>a</think>\n{T}\nprint('<think>')\n{T}",
        "print('<think>')\n",
    ),
    "unclosed fence": (f"{T}python\nprint(1)", CODE),
    "unclosed fence, cut in a line": (f"{T}python\nx = 1\nprint(", "x = 1\nprint(\n"),
    "closed on the last line of code": (f"{T}python\nprint(1){T}", CODE),
    "no fence, but code": ("print(1)", CODE),
    "no fence, import first": ("import sys\nprint(1)\n", "import sys\nprint(1)\n"),
    "no fence, assignment first": ("n, m = 1, 2\nprint(n)", "n, m = 1, 2\nprint(n)\n"),
    "no fence, reasoning first": ("<think>a</think>\n\nprint(1)", CODE),
    "no fence, prose first": ("The answer is\nprint(1)", None),
    "prose that begins like a loop": ("for every number we add one", None),
    "nested back-ticks": (
        f"{T}`python\ns = '''\n{T}\n'''\nprint(1)\n{T}`",
        f"s = '''\n{T}\n'''\nprint(1)\n",
    ),
    "back-ticks inside a line": (
        f"{T}python\ns = '{T}x'\nprint(1)\n{T}",
        f"s = '{T}x'\nprint(1)\n",
    ),
    "indented in a list": (
        f"1. so\n   {T}python\n   if 1:\n       print(1)\n   {T}",
        "if 1:\n    print(1)\n",
    ),
    "text before the fence": (f"Code: {T}python\nprint(1)\n{T}", CODE),
    "Windows line ends": (f"{T}python\r\nprint(1)\r\n{T}\r\n", CODE),
    "inline code is no block": ("use `print(1)` here", None),
    "answer cut right after the fence": (f"so\n{T}python", None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_program_of_an_answer_is_found(name):
    text, program = CASES[name]
    assert extract_program(text) == program
