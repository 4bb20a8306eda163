"""Statistics of a study: scores, curves, contrasts, claims and the figures drawn from them."""
