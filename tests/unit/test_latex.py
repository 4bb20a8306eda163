"""LaTeX tables: everything escaped, no wider and no longer than a page."""

import re

from valley.reporting import latex

RATE = {"estimate": 0.5, "low": None, "high": None, "n": 4}
PASSED = {"estimate": -0.0001, "low": 0.0, "high": 0.25, "n": 4}


def arm(size: int, **other) -> dict:
    setting = {"student": "tiny", "recipe": "distil", "start": "base", "slice": "all.any"}
    setting |= {"size": str(size), "seed": "0", "benchmark": "bank_1"}
    return {**setting, "pass@1": PASSED, "completion": RATE, "think_tag": RATE, **other}


def heads(table: str) -> list[str]:
    return re.search(r"\\toprule\n(.+) \\\\\n", table).group(1).split(" & ")


def test_what_all_arms_share_stands_in_the_caption():
    undistilled = arm(0, recipe="", slice="")
    table = latex.scores([undistilled, arm(16), arm(1024)])
    assert heads(table)[:2] == ["$N$", "pass@1"]
    assert "recipe distil, start base, slice all.any" in table
    assert r"benchmark bank\_1" in table
    assert "\n1{,}024 & 0.000 & [0.000, 0.250] & 0.500" in table, "and no -0.000"


def test_what_tells_arms_apart_is_a_column():
    table = latex.scores([arm(16), arm(16, slice="easy.any"), arm(16, seed="1")])
    assert heads(table)[:3] == ["slice", "$N$", "rep."]


def test_a_table_longer_than_a_page_goes_on_on_the_next():
    table = latex.scores([arm(size) for size in range(100)])
    assert r"\begin{longtable}" in table and r"\endhead" in table
    assert r"\begin{table}" not in table
    assert table.count("{") - table.count("}") == 0


def test_a_claim_is_named_once_and_its_parts_have_their_rule():
    part = {"where": "from mid", "status": "supported", "estimate": 0.1, "interval": [None, 0.2]}
    part["rule"] = "95 % of #1"
    claim = {"name": "F2", "text": "easier is better", "parts": [part, part]}
    table = latex.claims({"bank": [claim]})
    cells = r" & from mid & supported & 0.100 & [\ldots, 0.200] & 95 \% of \#1 \\"
    assert f"F2{cells}" in table and f"\n{cells}" in table
