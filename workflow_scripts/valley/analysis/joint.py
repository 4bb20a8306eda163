"""A joint fit over parameters and data: error = what stays + a part of N + a part of D.

Both families are linear in some coefficients given their exponents, so they are fitted as curves
are (`valley.analysis.curves`); a "size" is the number of a cell, from 1.
"""

import numpy as np

from valley.analysis.curves import Fit, fit, fit_bank, weights_of
from valley.analysis.families import Family, bank
from valley.analysis.sample import Levels

LEAST = 3  # numbers of parameters, and data sizes above 0
LIMITS = (0.02, 2.0)  # of an exponent: at 0 a part is a constant, which `floor` is already
BANK = 512
DRAWS = 500  # of the intervals
NEAR = 0.02  # of the limits' span: an end that close is at the limit
ILL = 100.0  # condition number above which parameters trade off against one another


def families(parameters: np.ndarray, data: np.ndarray) -> list[Family]:
    """Return the families for cells (n,) of so many parameters and tokens.

    `additive` is the form of Hoffmann et al. 2022: floor + a (N/N0)^-alpha + b (D/D0)^-beta;
    `multiplicative` is floor + c (N/N0)^-alpha (D/D0)^-beta. N0 and D0 are the cells' geometric
    means, so that a, b and c are shares of pass@1 there.
    """
    x, y = (np.log(each) - np.log(each).mean() for each in (parameters, data))

    def powers(shapes: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = np.asarray(cells, int) - 1
        return np.exp(-shapes[:, :1] * x[at]), np.exp(-shapes[:, 1:2] * y[at])

    def additive(shapes: np.ndarray, cells: np.ndarray) -> np.ndarray:
        of_n, of_d = powers(shapes, cells)
        return np.stack([np.ones_like(of_n), of_n, of_d], axis=-1)

    def multiplicative(shapes: np.ndarray, cells: np.ndarray) -> np.ndarray:
        of_n, of_d = powers(shapes, cells)
        return np.stack([np.ones_like(of_n), of_n * of_d], axis=-1)

    def family(name: str, label: str, design, coefficients: tuple[str, ...]) -> Family:
        return Family(
            name, label, len(coefficients) + 2, BANK, lambda low, high: [LIMITS, LIMITS], design,
            (True,) * len(coefficients), False, coefficients, ("alpha", "beta"),
        )  # fmt: skip

    return [
        family("additive", "E + A/N^alpha + B/D^beta", additive, ("floor", "a", "b")),
        family("multiplicative", "E + C/(N^alpha D^beta)", multiplicative, ("floor", "c")),
    ]


def joint(levels: Levels, parameters: np.ndarray, data: np.ndarray) -> dict:
    """Fit the error rate 1 - pass@1 over parameters and data.

    Args:
        levels: of the cells (n,), each a number of parameters and an amount of data above 0.
        parameters: of each cell's student (n,).
        data: tokens of each cell's training (n,).

    Returns:
        The fits by family, or the reason why there is none; `distinct` numbers of either.
    """
    distinct = {"parameters": len(set(parameters.tolist())), "sizes": len(set(levels.sizes))}
    if min(distinct.values()) < LEAST:
        reason = (
            f"a joint fit takes {LEAST} numbers of parameters and {LEAST} data sizes above 0; "
            f"there are {distinct['parameters']} and {distinct['sizes']}"
        )
        return {"distinct": distinct, "reason": reason, "families": {}}
    n, d = np.asarray(parameters, float), np.asarray(data, float)
    means = {
        "parameters": float(np.exp(np.log(n).mean())),
        "tokens": float(np.exp(np.log(d).mean())),
    }
    fitted = {family.name: _fitted(family, levels, means) for family in families(n, d)}
    return {"distinct": distinct, "reason": None, "at": means, "families": fitted}


def _fitted(family: Family, levels: Levels, means: dict) -> dict:
    """Return one family's fit, its intervals, and what is to be known of them."""
    cells = np.arange(1.0, len(levels.estimate) + 1)
    error, sd = 1.0 - levels.estimate, levels.sd
    try:
        best = fit(family, cells, error, sd)
    except ValueError as reason:
        return {"label": family.label, "reason": str(reason)}
    found = fit_bank(
        family, bank(family, 0, 1), cells, 1.0 - levels.draws[:DRAWS].T, weights_of(sd)
    )
    names = (*family.coefficients, *family.shapes)
    draws = np.concatenate([found.coefficients, found.shapes], axis=1)
    ends = np.percentile(draws, [2.5, 97.5], axis=0).T.tolist()
    values = [*best.coefficients.tolist(), *best.shape.tolist()]
    parameters = {
        name: {"estimate": value, "interval": [min(low, value), max(high, value)]}
        for name, value, (low, high) in zip(names, values, ends, strict=True)
    }
    solid = identified(best, cells, sd)
    predicted = best.at(cells)
    spare = len(cells) - family.parameters
    curves = np.clip(found.at(cells), 0.0, 1.0)
    bands = np.percentile(1.0 - curves, [2.5, 97.5], axis=0).T.tolist()
    return {
        "label": family.label,
        "reason": None,
        "parameters": parameters,
        "scales": {
            name: parameters[name]["estimate"] * means[of] ** parameters[power]["estimate"]
            for name, of, power in (("a", "parameters", "alpha"), ("b", "tokens", "beta"))
            if name in parameters
        },
        "misfit": best.misfit,
        "spare": spare,
        "largest_residual": float(np.abs(predicted - error).max()),
        "predicted": [
            {"estimate": 1.0 - float(value), "interval": band}
            for value, band in zip(predicted, bands, strict=True)
        ],
        **solid,
        "words": words(parameters, solid, best.misfit, spare),
    }


def identified(best: Fit, cells: np.ndarray, sd: np.ndarray) -> dict:
    """Return rank and condition number of the weighted Jacobian, its columns of unit length."""
    family, count = best.family, len(best.shape)
    columns = [family.design(best.shape[None], cells)[0]]
    step = 1e-5
    for at in range(count):
        moved = [best.shape + sign * step * np.eye(count)[at] for sign in (1, -1)]
        high, low = (family.design(one[None], cells)[0] @ best.coefficients for one in moved)
        columns.append(((high - low) / (2 * step))[:, None])
    jacobian = np.concatenate(columns, axis=1) * np.sqrt(weights_of(sd))[:, None]
    length = np.linalg.norm(jacobian, axis=0)
    values = np.linalg.svd(jacobian / np.where(length > 0, length, 1.0), compute_uv=False)
    rank = int((values > 1e-6 * values[0]).sum())
    condition = float(values[0] / values[-1]) if rank == jacobian.shape[1] else None
    return {"rank": rank, "of": jacobian.shape[1], "condition": condition}


def words(parameters: dict, solid: dict, misfit: float, spare: int) -> list[str]:
    """Return in words which parameters these cells identify, and which not."""
    said = []
    near = NEAR * (LIMITS[1] - LIMITS[0])
    for name in ("alpha", "beta"):
        low, high = parameters[name]["interval"]
        ends = [
            word
            for word, at_limit in (
                ("below", low <= LIMITS[0] + near),
                ("above", high >= LIMITS[1] - near),
            )
            if at_limit
        ]
        if ends:
            said.append(
                f"The interval of {name} is not bounded {' or '.join(ends)}: it ends at the limits "
                f"of the fit ({LIMITS[0]:g} to {LIMITS[1]:g})."
            )
    said += [
        f"{name} is at its limit, 0." for name in ("floor", "a", "b", "c")
        if name in parameters and parameters[name]["estimate"] <= 1e-9
    ]  # fmt: skip
    if solid["condition"] is None:
        said.append(
            f"Only {solid['rank']} of {solid['of']} parameters can be told apart from these cells."
        )
    elif solid["condition"] > ILL:
        said.append(
            f"The parameters trade off against one another (condition number "
            f"{solid['condition']:,.0f}): read the predicted levels, not single parameters."
        )
    if misfit > spare + 3 * np.sqrt(2 * spare):
        said.append(
            f"The form does not fit: weighted misfit {misfit:.1f} with {spare} cells to spare. "
            "Its error falls throughout, so it can't describe a valley."
        )
    return said or ["Every parameter has an interval inside the limits of the fit."]
