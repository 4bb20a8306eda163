"""Families find their own truth, say when they can't be told, and treat the start as a level."""

import numpy as np
import pytest
from valley.analysis import curves
from valley.analysis.families import FAMILIES, bank

SIZES = np.array([0, 16, 35, 78, 172, 380, 840, 1855, 4096, 9000, 20000])
PAPER = np.array([0, 1000, 10_000, 30_000])
SD = np.full(len(SIZES), 0.01)
TRUTHS = {
    "constant": ([], [0.3]),
    "loglinear": ([], [0.5, 0.1, 0.08]),
    "quadratic": ([], [0.5, 0.6, -0.4, 0.09]),
    "valley": ([np.log(20), 2.0], [0.1, 0.3, 0.07]),
    "smooth_valley": ([np.log(40), 1.5, 0.4], [0.05, 0.35, 0.08]),
    "bnsl1": ([-0.5, 0.4, np.log(400), 0.4], [0.4, 0.0, 0.2]),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_family_finds_its_own_curve(name):
    family = FAMILIES[name]
    shape, coefficients = (np.array(part, float) for part in TRUTHS[name])
    y = family.design(shape[None], SIZES)[0] @ coefficients
    found = curves.fit(family, SIZES, y, SD)
    assert np.abs(found.at(SIZES) - y).max() < 0.004
    assert found.misfit < 1.0


@pytest.mark.parametrize("name", FAMILIES)
def test_fits_are_deterministic_and_inside_bounds(name):
    rng = np.random.default_rng(1)
    y = 0.3 + 0.05 * rng.standard_normal(len(SIZES))
    family = FAMILIES[name]
    first, second = (curves.fit(family, SIZES, y, SD) for _ in range(2))
    assert np.array_equal(first.shape, second.shape)
    bounds = family.bounds(*curves.log_range(SIZES))
    assert all(
        low - 1e-9 <= s <= high + 1e-9 for s, (low, high) in zip(first.shape, bounds, strict=True)
    )
    signed = np.array(family.nonnegative)
    assert (first.coefficients[signed] >= 0).all()


def test_the_papers_grid_tells_only_the_smallest_families():
    result = curves.compare(PAPER, np.array([0.127, 0.055, 0.188, 0.264]), np.full(4, 0.013))
    told = [name for name, item in result.items() if item["reason"] is None]
    assert told == ["constant", "loglinear"]
    assert "5 parameters need at least 6 sizes" in result["valley"]["reason"]
    with pytest.raises(ValueError, match="parameters need"):
        curves.fit(FAMILIES["valley"], PAPER, np.zeros(4), np.ones(4))


def test_weights_sum_to_one_and_prefer_the_truth():
    shape, coefficients = TRUTHS["valley"]
    y = FAMILIES["valley"].design(np.array(shape)[None], SIZES)[0] @ np.array(coefficients)
    y = y + 0.005 * np.random.default_rng(2).standard_normal(len(SIZES))
    result = curves.compare(SIZES, y, SD)
    weights = [item.get("aicc_weight", 0) for item in result.values()]
    assert sum(weights) == pytest.approx(1)
    assert result["valley"]["aicc_weight"] > 0.5
    assert result["valley"]["left_out_error"] < 0.4 * result["loglinear"]["left_out_error"]


def test_the_start_is_never_under_a_logarithm():
    for family in FAMILIES.values():
        shapes = bank(family, np.log(16), np.log(4096))
        assert np.isfinite(family.design(shapes, SIZES)).all(), family.name
    # A level of its own: moving the start moves nothing else.
    y = np.linspace(0.1, 0.6, len(SIZES))
    moved = y.copy()
    moved[0] = 0.9
    for name in ("loglinear", "quadratic"):
        first, second = (curves.fit(FAMILIES[name], SIZES, values, SD) for values in (y, moved))
        assert first.at(SIZES[1:]) == pytest.approx(second.at(SIZES[1:]), abs=1e-6)


def test_a_valley_starts_from_the_start_and_never_rises_into_its_bottom():
    family = FAMILIES["valley"]
    rising = np.linspace(0.1, 0.6, len(SIZES))
    found = curves.fit(family, SIZES, rising, SD)
    curve = found.at(np.concatenate([[0], np.geomspace(1, 20_000, 200)]))
    low = curve.argmin()
    assert (np.diff(curve[: low + 1]) <= 1e-9).all()
    assert (np.diff(curve[low:]) >= -1e-9).all()


def test_bank_fits_agree_with_brute_force_least_squares():
    family = FAMILIES["quadratic"]
    rng = np.random.default_rng(4)
    y = rng.random((len(SIZES), 5))
    weights = curves.weights_of(rng.uniform(0.01, 0.05, len(SIZES)))
    found = curves.fit_bank(family, np.zeros((1, 0)), SIZES, y, weights)
    design = family.design(np.zeros((1, 0)), SIZES)[0]
    root = np.sqrt(weights)[:, None]
    truth = np.linalg.lstsq(design * root, y * root, rcond=None)[0]
    assert pytest.approx(truth, abs=1e-4) == found.coefficients.T
