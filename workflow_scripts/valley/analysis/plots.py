"""The figures, each drawn from its JSON as SVG and PDF, with a tidy CSV beside them."""

from pathlib import Path

from valley.analysis.plot_curves import fan, scaling
from valley.analysis.plot_forest import forest
from valley.analysis.plot_learning import learning
from valley.analysis.plot_rates import correlation, rates


def figure(kind: str, fits: list[Path], svg: Path, pdf: Path, table: Path) -> None:
    """Draw one figure, with the numbers behind it as CSV.

    Args:
        kind: scaling, learning, forecast, rates, correlation or contrasts.
        fits: the fit that it shows; contrasts shows several.
        svg, pdf, table: files to write.
    """
    if kind == "contrasts":
        forest(fits, svg, pdf, table)
        return
    draw = {
        "scaling": scaling,
        "learning": learning,
        "forecast": fan,
        "rates": rates,
        "correlation": correlation,
    }[kind]
    draw(fits[0], svg, pdf, table)
