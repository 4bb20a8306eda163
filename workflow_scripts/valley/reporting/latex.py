"""LaTeX tables of scores and claims, as wide as a page's text, to be \\input into a paper."""

from valley.core.arms import FIELDS

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


LONG = 45  # rows that a page holds
HEADS = {"size": "$N$", "seed": "rep."}


def escaped(text: object) -> str:
    """Return text that LaTeX sets as it stands."""
    return "".join(SPECIAL.get(sign, sign) for sign in str(text))


def number(value: float | None) -> str:
    """Return a share with three decimals, a dash where there is none."""
    # Adding zero takes the sign off a rounded -0.000.
    return "--" if value is None else f"{round(value, 3) + 0.0:.3f}".replace("-", "$-$")


def bounds(pair: list | None) -> str:
    """Return an interval; an open end is three dots."""
    if not pair:
        return "--"
    low, high = (r"\ldots" if end is None else number(end) for end in pair)
    return f"[{low}, {high}]"


def table(columns: str, head: list[str], rows: list[list[str]], caption: str, name: str) -> str:
    """Return a floating table, or one over several pages where it is long.

    Args:
        columns: LaTeX's column letters.
        head, rows: cells, already LaTeX.
        caption: plain text below it (above a long one).
        name: its label, behind `tab:`.
    """
    long = len(rows) > LONG
    titled = f"\\caption{{{escaped(caption)}}}\\label{{tab:{name}}}"
    heading = ["\\toprule", " & ".join(head) + r" \\", "\\midrule"]
    cells = [" & ".join(row) + r" \\" for row in rows]
    needed = "% needs \\usepackage{booktabs,array,longtable}"
    small = "\\footnotesize\\setlength{\\tabcolsep}{4pt}"
    if long:
        again = "\\endfirsthead", *heading, "\\endhead", "\\bottomrule", "\\endfoot"
        begun = f"\\begin{{longtable}}{{{columns}}}"
        lines = [f"{{{small}", begun, f"{titled} \\\\", *heading, *again, *cells]
        lines += ["\\end{longtable}", "}"]
    else:
        lines = ["\\begin{table}", f"\\centering{small}", f"\\begin{{tabular}}{{{columns}}}"]
        lines += [*heading, *cells, "\\bottomrule", "\\end{tabular}", titled, "\\end{table}"]
    return "\n".join([needed, *lines]) + "\n"


def scores(arms: list[dict]) -> str:
    """Return the table of every arm's pass@1 with its interval, and its rates.

    What is the same for all arms stands in the caption instead of a column.

    Args:
        arms: as `valley.pages.content.scores` gives them.
    """
    names = (*FIELDS, "benchmark")
    told = {
        name: {arm[name] for arm in arms if int(arm["size"]) or name == "student"}
        for name in FIELDS
    }
    told["benchmark"] = {arm["benchmark"] for arm in arms}
    shown = [name for name in names if len(told[name]) > 1 or name == "size"]
    head = [HEADS.get(name, name) for name in shown]
    head += ["pass@1", r"95\,\%", "completion", "think tag", "$n$"]
    rows = []
    for arm in arms:
        passed = arm["pass@1"]
        pair = None if passed["low"] is None else [passed["low"], passed["high"]]
        rows.append(
            [
                *(_setting(arm, name) for name in shown),
                number(passed["estimate"]),
                bounds(pair),
                number(arm["completion"]["estimate"]),
                number(arm["think_tag"]["estimate"]),
                str(passed["n"]),
            ]
        )
    same = [f"{name} {min(told[name])}" for name in names if name not in shown and told[name]]
    caption = (
        "pass@1 of every arm with its 95 % interval over problems; n counts judged answers; "
        "N = 0 is the undistilled student."
    ) + (f" All: {', '.join(same)}." if same else "")
    letters = "".join("r" if name in ("size", "seed") else "l" for name in shown)
    return table(f"{letters}rlrrr", head, rows, caption, "scores")


def _setting(arm: dict, name: str) -> str:
    if name == "size":
        return f"{int(arm['size']):,}".replace(",", "{,}")
    undistilled = not int(arm["size"]) and name not in ("student", "benchmark")
    return "--" if undistilled else escaped(arm[name])


def claims(judged: dict[str, list[dict]]) -> str:
    """Return the table of claims by benchmark: each part's verdict, estimate, interval, rule."""
    several = len(judged) > 1
    head = ["claim", *(["benchmark"] if several else []), "where", "verdict", "estimate"]
    head += ["interval", "rule, set beforehand"]
    rows = []
    for benchmark, found in judged.items():
        for claim in found:
            parts = claim["parts"] or [{**claim, "where": ""}]
            for at, part in enumerate(parts):
                cells = ["" if at else claim["name"], *([benchmark] if several else [])]
                cells += [part["where"] or "--", part["status"]]
                measured = [number(part["estimate"]), bounds(part["interval"])]
                rows.append([*map(escaped, cells), *measured, escaped(part["rule"])])
    named = {c["name"]: c["text"] for found in judged.values() for c in found}
    caption = "Claims. " + " ".join(f"{name}: {text}." for name, text in named.items())
    letters = "llllrl" if several else "lllrl"
    width = 2.4 if several else 3.6
    rule = f"p{{{width}cm}}"
    return table(
        f"{letters}>{{\\raggedright\\arraybackslash}}{rule}", head, rows, caption, "claims"
    )
