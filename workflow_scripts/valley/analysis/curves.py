"""Fit the families to levels: for draws over a whole bank at once, for the estimate refined."""

from dataclasses import dataclass

import numpy as np

from valley.analysis.families import FAMILIES, Family, bank

# Families are approximations: no point is asked to be met closer than one percentage point, or a
# size where every answer fails (with a spread of zero) would outweigh all the others.
TOLERANCE = 0.01
RIDGE = 1e-9


@dataclass
class Fit:
    """A fitted family: its shapes (q,) and coefficients (c,), and the weighted misfit."""

    family: Family
    shape: np.ndarray
    coefficients: np.ndarray
    misfit: float

    def at(self, sizes: np.ndarray) -> np.ndarray:
        """Return the curve at sizes, as a share kept in [0, 1]."""
        value = self.family.design(self.shape[None], np.asarray(sizes, float))[0]
        return np.clip(value @ self.coefficients, 0.0, 1.0)


@dataclass
class DrawFits:
    """One family fitted to each draw: shapes (draws, q), coefficients (draws, c)."""

    family: Family
    shapes: np.ndarray
    coefficients: np.ndarray
    misfits: np.ndarray

    def at(self, sizes: np.ndarray) -> np.ndarray:
        """Return (draws, sizes) curves, kept in [0, 1]."""
        design = self.family.design(self.shapes, np.asarray(sizes, float))
        return np.clip(np.einsum("dnc,dc->dn", design, self.coefficients), 0.0, 1.0)


def weights_of(sd: np.ndarray) -> np.ndarray:
    """Return least-squares weights from standard errors, with the tolerance added in."""
    return 1.0 / (np.asarray(sd) ** 2 + TOLERANCE**2)


def identifiable(family: Family, sizes: np.ndarray) -> str | None:
    """Return why a family can't be fitted to these sizes, or None when it can."""
    count = len(set(np.asarray(sizes).tolist()))
    if count < family.parameters + 1:
        return (
            f"{family.parameters} parameters need at least {family.parameters + 1} sizes "
            f"(the start included); there are {count}"
        )
    if family.own_level and 0 in sizes and count - 1 < family.parameters:
        return f"too few sizes above 0 for {family.parameters - 1} parameters"
    return None


def _solve(design: np.ndarray, y: np.ndarray, weights: np.ndarray, keep: list[int]):
    """Return coefficients (shapes, c, draws) with those not in `keep` at 0, and the misfits."""
    part = design[:, :, keep]
    weighted = part * weights[None, :, None]
    gram = np.einsum("mnc,mnd->mcd", weighted, part)
    scale = np.einsum("mcc->mc", gram).mean(axis=1)[:, None, None] + 1e-300
    gram = gram + RIDGE * scale * np.eye(len(keep))
    right = np.einsum("mnc,nd->mcd", weighted, y)
    solved = np.linalg.solve(gram, right)
    misfit = (weights[:, None] * y * y).sum(axis=0)[None] - (right * solved).sum(axis=1)
    full = np.zeros((design.shape[0], design.shape[2], y.shape[1]))
    full[:, keep] = solved
    return full, misfit


def fit_bank(
    family: Family, shapes: np.ndarray, sizes: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> DrawFits:
    """Return the best shape of the bank for each column of y (sizes, draws).

    Non-negative coefficients are met by trying all of them free, then each one (and each pair) at
    its bound: with three coefficients that is the exact solution but for all three at 0.
    """
    design = family.design(shapes, sizes)
    every = list(range(design.shape[2]))
    signed = [i for i in every if family.nonnegative[i]]
    subsets = [every]
    if signed:
        subsets += [[i for i in every if i != j] for j in signed]
        if len(every) > 2:
            subsets += [[j] for j in signed]
    draws = np.arange(y.shape[1])
    best = np.full(y.shape[1], np.inf)
    chosen = np.zeros(y.shape[1], int)
    coefficients = np.zeros((design.shape[2], y.shape[1]))
    for keep in subsets:
        solved, misfit = _solve(design, y, weights, keep)
        if signed:
            misfit = np.where((solved[:, signed] >= 0).all(axis=1), misfit, np.inf)
        row = misfit.argmin(axis=0)
        better = misfit[row, draws] < best - 1e-12
        best = np.where(better, misfit[row, draws], best)
        chosen = np.where(better, row, chosen)
        coefficients = np.where(better[None], solved[row, :, draws].T, coefficients)
    return DrawFits(family, shapes[chosen], coefficients.T, np.maximum(best, 0.0))


def log_range(sizes: np.ndarray) -> tuple[float, float]:
    """Return the log of the smallest and the largest size above 0."""
    above = np.asarray(sizes, float)[np.asarray(sizes) > 0]
    return float(np.log(above.min())), float(np.log(above.max()))


def fit(family: Family, sizes: np.ndarray, y: np.ndarray, sd: np.ndarray, starts: int = 3) -> Fit:
    """Fit a family to levels y (sizes,): the bank's best shapes, each polished inside its bounds.

    Deterministic. Raises ValueError where the sizes cannot tell the family's parameters.
    """
    reason = identifiable(family, sizes)
    if reason:
        raise ValueError(f"{family.label}: {reason}")
    low, high = log_range(sizes)
    weights = weights_of(sd)
    shapes = bank(family, low, high)
    y = np.asarray(y, float)[:, None]
    if not shapes.shape[1]:
        found = fit_bank(family, shapes, sizes, y, weights)
        return Fit(family, found.shapes[0], found.coefficients[0], float(found.misfits[0]))
    from scipy.optimize import least_squares

    lower, upper = np.array(family.bounds(low, high)).T

    def residuals(shape: np.ndarray) -> np.ndarray:
        one = fit_bank(family, shape[None], sizes, y, weights)
        value = family.design(shape[None], sizes)[0] @ one.coefficients[0]
        return np.sqrt(weights) * (value - y[:, 0])

    best = None
    for start in _starts(family, shapes, sizes, y, weights, starts):
        inside = np.clip(start, lower + 1e-6, upper - 1e-6)
        found = least_squares(residuals, inside, bounds=(lower, upper), max_nfev=60, x_scale="jac")
        for shape in (start, found.x):
            one = fit_bank(family, shape[None], sizes, y, weights)
            if best is None or one.misfits[0] < best.misfit - 1e-9:
                best = Fit(family, shape, one.coefficients[0], float(one.misfits[0]))
    return best


def _starts(family, shapes, sizes, y, weights, count: int) -> np.ndarray:
    """Return the best shapes of `count` interleaved parts of the bank: apart, and all good."""
    parts = [fit_bank(family, shapes[i::count], sizes, y, weights) for i in range(count)]
    return np.array([part.shapes[0] for part in parts])


def compare(sizes: np.ndarray, y: np.ndarray, sd: np.ndarray, names: list[str] | None = None):
    """Fit every family and weigh them: by AICc and by leaving out one size at a time.

    The misfit stands in for -2 log likelihood (errors known, normal); AICc counts one observation
    a size. Leave-one-size-out predicts each size above 0 from the others; `last_error` is that of
    the largest size, a true extrapolation. Returns {name: result}; a family that these sizes can't
    tell has a `reason` and no fit.
    """
    out = {}
    for name in names or FAMILIES:
        family = FAMILIES[name]
        reason = identifiable(family, sizes)
        result = {"label": family.label, "parameters": family.parameters, "reason": reason}
        if reason is None:
            found = fit(family, sizes, y, sd)
            count, k = len(sizes), family.parameters
            result["fit"] = found
            result["misfit"] = found.misfit
            spare = count - k - 1
            result["aicc"] = found.misfit + 2 * k + 2 * k * (k + 1) / spare if spare > 0 else None
            result.update(_left_out(family, sizes, y, sd))
        out[name] = result
    _weigh(out, "aicc", "aicc_weight", lambda value: -0.5 * value)
    _weigh(out, "left_out_score", "left_out_weight", lambda value: -0.5 * value)
    return out


def _left_out(family: Family, sizes: np.ndarray, y: np.ndarray, sd: np.ndarray) -> dict:
    errors, scores = [], []
    above = [i for i, size in enumerate(sizes) if size > 0]
    for i in above:
        rest = np.arange(len(sizes)) != i
        if identifiable(family, sizes[rest]):
            return {"left_out_error": None, "last_error": None, "left_out_score": None}
        low, high = log_range(sizes)
        found = fit_bank(
            family, bank(family, low, high), sizes[rest], y[rest, None], weights_of(sd[rest])
        )
        errors.append(float(found.at(sizes[i : i + 1])[0, 0] - y[i]))
        scores.append(errors[-1] ** 2 * weights_of(sd[i : i + 1])[0])
    return {
        "left_out_error": float(np.sqrt(np.mean(np.square(errors)))),
        "last_error": errors[-1],
        "left_out_score": float(np.sum(scores)),
    }


def _weigh(results: dict, key: str, name: str, log_weight) -> None:
    known = {n: r[key] for n, r in results.items() if r.get(key) is not None}
    if not known:
        return
    logs = np.array([log_weight(value) for value in known.values()])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    for n, weight in zip(known, weights, strict=True):
        results[n][name] = float(weight)
