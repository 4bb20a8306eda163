"""LaTeX tables of scores and claims, as wide as a page's text, to be \\input into a paper."""

import pandas as pd

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
    """Return text escaped for LaTeX."""
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


def table(columns: str, cells: pd.DataFrame, shown: dict, caption: str, name: str) -> str:
    """Return a floating table, or one over several pages where it is long.

    Args:
        columns: LaTeX's column letters.
        cells: its cells, below heads that are already LaTeX.
        shown: how some columns' cells become LaTeX; the others' are escaped.
        caption: plain text below it (above a long one).
        name: its label, behind `tab:`.
    """
    style = cells.style.hide(axis="index").format({head: escaped for head in cells} | shown)
    lines = style.to_latex(hrules=True, column_format=columns).splitlines()
    titled = f"\\caption{{{escaped(caption)}}}\\label{{tab:{name}}}"
    needed = "% needs \\usepackage{booktabs,array,longtable}"
    small = "\\footnotesize\\setlength{\\tabcolsep}{4pt}"
    if len(cells) > LONG:
        (_, *heading), body = lines[:4], lines[4:-2]
        repeated = "\\endfirsthead", *heading, "\\endhead", "\\bottomrule", "\\endfoot"
        begun = f"\\begin{{longtable}}{{{columns}}}"
        lines = [f"{{{small}", begun, f"{titled} \\\\", *heading, *repeated, *body]
        lines += ["\\end{longtable}", "}"]
    else:
        lines = ["\\begin{table}", f"\\centering{small}", *lines, titled, "\\end{table}"]
    return "\n".join([needed, *lines]) + "\n"


def scores(arms: list[dict]) -> str:
    """Return the table of every arm's pass@1 with its interval, and its rates.

    What is the same for all arms stands in the caption instead of a column.

    Args:
        arms: as `valley.pages.content.scores` gives them.
    """
    names = [*FIELDS, "benchmark"]
    cells = pd.DataFrame(arms, columns=names, dtype=object)
    undistilled = cells["size"].astype(int) == 0
    distinct = {name: set(cells.loc[~undistilled, name]) for name in FIELDS}
    distinct |= {name: set(cells[name]) for name in ("student", "benchmark")}
    kept = [name for name in names if len(distinct[name]) > 1 or name == "size"]
    cells.loc[undistilled, ["recipe", "start", "slice", "seed"]] = "--"
    measured = pd.DataFrame(map(_measured, arms), dtype=object)
    cells = cells[kept].rename(columns=HEADS).join(measured)
    shown = {"pass@1": number, r"95\,\%": bounds, "completion": number, "think tag": number}
    shown["$N$"] = lambda size: f"{int(size):,}".replace(",", "{,}")
    same = [
        f"{name} {min(distinct[name])}" for name in names if name not in kept and distinct[name]
    ]
    caption = (
        "pass@1 of every arm with its 95 % interval over problems; n counts judged answers; "
        "N = 0 is the undistilled student."
    ) + (f" All: {', '.join(same)}." if same else "")
    letters = "".join("r" if name in ("size", "seed") else "l" for name in kept)
    return table(f"{letters}rlrrr", cells, shown, caption, "scores")


def _measured(arm: dict) -> dict:
    passed = arm["pass@1"]
    return {
        "pass@1": passed["estimate"],
        r"95\,\%": None if passed["low"] is None else [passed["low"], passed["high"]],
        "completion": arm["completion"]["estimate"],
        "think tag": arm["think_tag"]["estimate"],
        "$n$": passed["n"],
    }


def claims(judged: dict[str, list[dict]]) -> str:
    """Return the table of claims by benchmark: each part's verdict, estimate, interval, rule."""
    several = len(judged) > 1
    rows = [
        {
            "claim": "" if at else claim["name"],
            **({"benchmark": benchmark} if several else {}),
            "where": part["where"] or "--",
            "verdict": part["status"],
            "estimate": part["estimate"],
            "interval": part["interval"],
            "rule, set beforehand": part["rule"],
        }
        for benchmark, found in judged.items()
        for claim in found
        for at, part in enumerate(claim["parts"] or [{**claim, "where": ""}])
    ]
    named = {c["name"]: c["text"] for found in judged.values() for c in found}
    caption = "Claims. " + " ".join(f"{name}: {text}." for name, text in named.items())
    letters = "llllrl" if several else "lllrl"
    rule = f">{{\\raggedright\\arraybackslash}}p{{{2.4 if several else 3.6}cm}}"
    cells, shown = pd.DataFrame(rows, dtype=object), {"estimate": number, "interval": bounds}
    return table(f"{letters}{rule}", cells, shown, caption, "claims")
