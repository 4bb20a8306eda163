"""The figures, each drawn from its JSON as SVG and PDF, with a tidy CSV beside them."""

from valley.analysis.plot_curves import fan, scaling
from valley.analysis.plot_forest import forest
from valley.analysis.plot_learning import learning
from valley.analysis.plot_rates import correlation, rates

__all__ = ["correlation", "fan", "forest", "learning", "rates", "scaling"]
