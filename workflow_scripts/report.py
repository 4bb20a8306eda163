"""Figures, tables and the report, from what was fitted and scored."""

import base64
import csv
import io
import math
from pathlib import Path

from core.files import read_json, write_text


def figure(kind: str, fits: list[Path], svg: Path, pdf: Path, table: Path) -> None:
    """Draw one figure, with the numbers behind it as CSV.

    Args:
        kind: scaling, forecast, rates, correlation or contrasts.
        fits: the fit that it shows; contrasts shows several.
        svg, pdf, table: files to write.
    """
    from analysis import plots

    if kind == "contrasts":
        plots.forest(fits, svg, pdf, table)
        return
    draw = {
        "scaling": plots.scaling,
        "forecast": plots.fan,
        "rates": plots.rates,
        "correlation": plots.correlation,
    }[kind]
    draw(fits[0], svg, pdf, table)


def table(scored: list[dict], out: Path) -> None:
    """Write every score as tidy CSV: one row per arm, benchmark, group of problems and quantity.

    Args:
        scored: arms, each with its benchmark and the path of its score.
        out: CSV to write.
    """
    names = ["student", "recipe", "start", "slice", "size", "seed", "benchmark"]
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*names, "problems", "quantity", "estimate", "low", "high", "n"])
    for arm in scored:
        score = read_json(arm["path"])
        groups = {"all": score["overall"], **score["by_difficulty"], **score.get("by_cutoff", {})}
        for group, quantities in groups.items():
            for quantity, value in quantities.items():
                low, high = value["interval"] or (None, None)
                writer.writerow(
                    [arm[name] for name in names]
                    + [group, quantity, value["estimate"], low, high, value["samples"]]
                )
    write_text(out, lines.getvalue())


def findings(claims: list[dict], curves: list[dict]) -> str:
    """Return the findings in a few lines: the main curve, then one line a claim of the paper."""
    lines = []
    if curves:
        points = curves[0]["points"]
        shown = "  ".join(f"{point['size']}: {point['estimate']:.3f}" for point in points)
        lines.append(f"pass@1 by size   {shown}")
    for claim in claims:
        lines.append(f"{claim['name']} {claim['status']:<10} {claim['text']}")
    return "\n".join(lines) + "\n"


def arms_of(axis: dict) -> int:
    """Return how many arms an axis declares, as one student sees it."""
    return math.prod(len(axis[name]) for name in ("recipes", "starts", "slices", "sizes", "seeds"))


def report(
    study: dict,
    scores: Path,
    summary: Path,
    claims: list[Path],
    curves: list[Path],
    contrasts: list[Path],
    figures: list[Path],
    html: Path,
    findings_out: Path,
) -> None:
    """Write the report as one self-contained page, and the findings as text.

    Args:
        study: the study's configuration, defaults filled in.
        scores: the table of all scores.
        summary: counts of the corpus, from traces to slices.
        claims, curves, contrasts: what was fitted.
        figures: SVG files, shown in this order.
        html: page to write.
        findings_out: text to write.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    judged = {Path(path).stem: read_json(path)["claims"] for path in claims}
    fitted = [read_json(path) for path in curves]
    with open(scores, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["problems"] == "all"]
    first = next(iter(judged.values()), [])
    write_text(findings_out, findings(first, fitted))
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = templates.get_template("report.html.j2").render(
        study=study,
        claims=judged,
        curves=fitted,
        contrasts=[read_json(path) for path in contrasts],
        corpus=read_json(summary),
        scores=_by_arm(rows),
        figures=_by_kind(figures),
        arms_of=arms_of,
    )
    write_text(html, page)


def _by_arm(rows: list[dict]) -> list[dict]:
    """Return one row per arm and benchmark with its quantities side by side."""
    arms: dict[tuple, dict] = {}
    names = ("student", "recipe", "start", "slice", "size", "seed", "benchmark")
    for row in rows:
        arm = arms.setdefault(tuple(row[name] for name in names), {n: row[n] for n in names})
        arm[row["quantity"]] = {
            name: float(row[name]) if row[name] else None for name in ("estimate", "low", "high")
        }
    return list(arms.values())


def _by_kind(figures: list[Path]) -> dict[str, list[dict]]:
    """Return figures by kind (the folder below figures/), each as a data URI with its name."""
    kinds: dict[str, list[dict]] = {}
    for path in map(Path, figures):
        parts = path.with_suffix("").parts
        kind, *name = parts[parts.index("figures") + 1 :]
        drawn = base64.b64encode(path.read_bytes()).decode()
        kinds.setdefault(kind, []).append(
            {"name": "/".join(name), "uri": f"data:image/svg+xml;base64,{drawn}"}
        )
    return kinds


if "snakemake" in globals():
    from core.job import bind

    source, target, params = snakemake.input, snakemake.output, snakemake.params
    with bind(snakemake):
        if snakemake.rule in ("figure", "forest"):
            figure(params.kind, list(source), target.svg, target.pdf, target.csv)
        elif snakemake.rule == "table":
            table(params.scored, target[0])
        else:
            report(
                params.study, **dict(source.items()), html=target.html, findings_out=target.findings
            )
