"""LaTeX tables (booktabs) of scores and claims, to be \\input into a paper."""

from reporting.content import label

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "−": "$-$",  # noqa: RUF001
    "·": r"$\cdot$",
}


def escaped(text: object) -> str:
    """Return text that LaTeX sets as it stands."""
    return "".join(SPECIAL.get(sign, sign) for sign in str(text))


def number(value: float | None) -> str:
    """Return a share with three decimals, a dash where there is none."""
    return "--" if value is None else f"{value:.3f}".replace("-", "$-$")


def bounds(pair: list | None) -> str:
    """Return an interval; an open end is three dots."""
    if not pair:
        return "--"
    low, high = (r"\ldots" if end is None else number(end) for end in pair)
    return f"[{low}, {high}]"


def table(columns: str, head: list[str], rows: list[list[str]], caption: str, name: str) -> str:
    """Return a floating table.

    Args:
        columns: LaTeX's column letters.
        head, rows: cells, already LaTeX.
        caption: plain text below it.
        name: its label, behind `tab:`.
    """
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering\\small",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        " & ".join(head) + r" \\",
        "\\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
        f"\\caption{{{escaped(caption)}}}",
        f"\\label{{tab:{name}}}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def scores(arms: list[dict], several: bool = False) -> str:
    """Return the table of every arm's pass@1 with its interval, and its rates.

    Args:
        arms: as `reporting.content.scores` gives them.
        several: there are several students, so they must be named.
    """
    head = ["Arm", "Benchmark", "pass@1", r"95\,\%", "completion", "think tag", "$n$"]
    rows = []
    for arm in arms:
        passed = arm["pass@1"]
        pair = None if passed["low"] is None else [passed["low"], passed["high"]]
        rows.append(
            [
                escaped(label(arm, several)),
                escaped(arm["benchmark"]),
                number(passed["estimate"]),
                bounds(pair),
                number(arm["completion"]["estimate"]),
                number(arm["think_tag"]["estimate"]),
                str(passed["n"]),
            ]
        )
    caption = "pass@1 of every arm with its 95 % interval over problems; n counts judged answers."
    return table("llrlrrr", head, rows, caption, "scores")


def claims(judged: dict[str, list[dict]]) -> str:
    """Return the table of claims by benchmark: each part's verdict, estimate and interval."""
    head = ["Claim", "Benchmark", "Where", "Verdict", "Estimate", "Interval"]
    rows = []
    for benchmark, found in judged.items():
        for claim in found:
            for part in claim["parts"] or [{**claim, "where": ""}]:
                cells = (claim["name"], benchmark, part["where"] or "--", part["status"])
                rows.append(
                    [
                        *map(escaped, cells),
                        number(part["estimate"]),
                        bounds(part["interval"]),
                    ]
                )
    named = {c["name"]: c["text"] for found in judged.values() for c in found}
    caption = "Claims. " + " ".join(f"{name}: {text}." for name, text in named.items())
    return table("llllrl", head, rows, caption, "claims")
