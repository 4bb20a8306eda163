"""Figures, tables and the report, from what was fitted and scored."""

from pathlib import Path

from valley.core.arms import FIELDS
from valley.core.files import read_json, write_csv, write_text


def figure(kind: str, fits: list[Path], svg: Path, pdf: Path, table: Path) -> None:
    """Draw one figure, with the numbers behind it as CSV.

    Args:
        kind: scaling, learning, forecast, rates, correlation or contrasts.
        fits: the fit that it shows; contrasts shows several.
        svg, pdf, table: files to write.
    """
    from valley.analysis import plots

    if kind == "contrasts":
        plots.forest(fits, svg, pdf, table)
        return
    draw = {
        "scaling": plots.scaling,
        "learning": plots.learning,
        "forecast": plots.fan,
        "rates": plots.rates,
        "correlation": plots.correlation,
    }[kind]
    draw(fits[0], svg, pdf, table)


def table(scored: list[dict], scores: Path, verdicts: Path) -> None:
    """Write every score and every count of verdicts as tidy CSV.

    Args:
        scored: arms, each with its benchmark and the path of its score.
        scores: CSV to write, a row per arm, benchmark, group of problems and quantity.
        verdicts: CSV to write, a row per arm, benchmark and verdict.
    """
    named_by = [*FIELDS, "benchmark"]
    rows, mixes = [], []
    for arm in scored:
        score = read_json(arm["path"])
        named = {name: arm[name] for name in named_by}
        groups = {"all": score["overall"], **score["by_difficulty"], **score.get("by_cutoff", {})}
        for group, quantities in groups.items():
            for quantity, value in quantities.items():
                low, high = value["interval"] or (None, None)
                numbers = {"estimate": value["estimate"], "low": low, "high": high}
                rows.append(
                    {**named, "problems": group, "quantity": quantity}
                    | {**numbers, "n": value["samples"]}
                )
        for verdict, number in sorted(score["verdicts"].items()):
            mixes.append({**named, "verdict": verdict, "answers": number})
    write_csv(scores, rows, [*named_by, "problems", "quantity", "estimate", "low", "high", "n"])
    write_csv(verdicts, mixes, [*named_by, "verdict", "answers"])


def answers(arms: list[dict], problems: Path, out: Path, *, benchmark: str, benchmarks: int):
    """Write example answers of one benchmark (see `valley.reporting.answers`)."""
    from valley.reporting import answers as examples

    examples.collect(arms, problems, out, benchmark=benchmark, benchmarks=benchmarks)


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


def report(config: dict, files: dict[str, list[Path]], html: Path, findings_out: Path) -> None:
    """Write the report as one self-contained page, and the findings as text.

    Args:
        config: the study's configuration, defaults filled in.
        files: what it is made from, by kind (see `valley.reporting.paper.page_of`).
        html: page to write.
        findings_out: text to write.
    """
    from valley.reporting import paper

    write_text(html, paper.page_of(config, files))
    judged = [read_json(path)["claims"] for path in files["claims"]]
    fitted = [read_json(path) for path in files["curves"]]
    write_text(findings_out, findings(judged[0] if judged else [], fitted))


if "snakemake" in globals():
    from valley.workflow.job import bind, settings

    source, target, params = snakemake.input, snakemake.output, snakemake.params
    named = {
        name: [value] if isinstance(value, str) else list(value) for name, value in source.items()
    }
    with bind(snakemake):
        if snakemake.rule in ("figure", "forest"):
            figure(params.kind, named["fits"], target.svg, target.pdf, target.csv)
        elif snakemake.rule == "table":
            table(params.scored, target.scores, target.verdicts)
        elif snakemake.rule == "answers":
            answers(out=target[0], problems=source.problems, **settings(snakemake))
        else:
            report(params.study, named, target.html, target.findings)
