"""Drift: its figures against SciPy and formulas written out, and what chance alone does not raise."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from engine.statistics.distances import index_by_chance, kolmogorov_smirnov, stability_index
from engine.statistics.drift import drift

RNG = np.random.default_rng(0)


def of(frame, reference):
    types = {name: "numeric" if frame[name].dtype.is_numeric() else "categorical" for name in frame.columns}
    earlier = {
        name: "numeric" if reference[name].dtype.is_numeric() else "categorical" for name in reference.columns
    }
    return drift(frame, types, reference, earlier)


def codes(report):
    return {(warning.code, warning.column) for warning in report.warnings}


@pytest.mark.parametrize("whole", [False, True])
def test_ks_is_scipys(whole):
    a, b = RNG.normal(0, 2, 300), RNG.normal(0.5, 1, 170)
    if whole:
        a, b = a.round(), b.round()
    assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)


def test_numbers_by_tenths_of_the_reference():
    now, then = RNG.normal(0.4, 1.3, 900), RNG.normal(0, 1, 700)
    [column] = of(pl.DataFrame({"x": now}), pl.DataFrame({"x": then})).columns
    edges = np.concatenate([[-np.inf], np.quantile(then, np.linspace(0.1, 0.9, 9)), [np.inf]])
    p, q = np.histogram(now, edges)[0] + 0.5, np.histogram(then, edges)[0] + 0.5
    p, q = p / p.sum(), q / q.sum()
    assert column.psi == pytest.approx(float(((p - q) * np.log(p / q)).sum()), rel=1e-12)
    # The symmetric divergence, from SciPy's two relative entropies.
    assert column.psi == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-9)
    assert column.out_of_range == np.mean((now < then.min()) | (now > then.max()))


def test_categories_counts_missing_and_new_ones():
    then = pl.DataFrame({"c": ["a"] * 60 + ["b"] * 40, "m": [1.0] * 50 + [2.0] * 50})
    now = pl.DataFrame(
        {"c": ["a"] * 20 + ["b"] * 50 + ["z"] * 20 + ["y"] * 10, "m": [None] * 30 + [1.0] * 35 + [2.0] * 35}
    )
    report = of(now, then)
    by_name = {column.name: column for column in report.columns}
    c, m = by_name["c"], by_name["m"]
    assert c.distance == pytest.approx((0.4 + 0.1 + 0.2 + 0.1) / 2)
    assert (c.new_categories, c.new_categories_share) == (["z", "y"], pytest.approx(0.3))
    p, q = np.array([20.5, 50.5, 30.5]) / 101.5, np.array([60.5, 40.5, 0.5]) / 101.5
    assert c.psi == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert (m.missing, m.reference_missing, m.psi, m.distance) == (0.3, 0.0, pytest.approx(0, abs=1e-12), 0)
    assert codes(report) == {("drift", "c"), ("new_categories", "c"), ("missing_changed", "m")}
    assert [column.name for column in report.columns] == ["c", "m"]  # the largest first


def test_columns_that_come_go_and_change_their_type():
    then = pl.DataFrame({"old": [1, 2], "both": ["1", "2"], "word": [1.0, 2.0]})
    now = pl.DataFrame({"new": [1, 2], "both": [1, 2], "word": ["x", "y"]})
    report = of(now, then)
    assert codes(report) >= {
        ("new_column", "new"),
        ("missing_column", "old"),
        ("type_changed", "both"),
        ("type_changed", "word"),
    }
    by_name = {column.name: column for column in report.columns}
    assert by_name["both"].distance == 0  # read as words, as they were
    assert by_name["word"].distance is None  # words that are no numbers


def test_samples_of_one_distribution_raise_no_alarm():
    """Small ones too, where the index alone is large: 60 rows in ten bins give 0.3 on average."""
    raised = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        now, then = (
            pl.DataFrame({"x": rng.normal(size=60), "c": rng.choice(list("abcdef"), 60)}) for _ in range(2)
        )
        report = of(now, then)
        raised += [warning for warning in report.warnings if warning.code in {"drift", "moderate_drift"}]
    assert len(raised) <= 20  # of 400; 1 in 100 is what is promised, about


def test_chance_bound_is_that_of_chi_squared():
    for bins in (2, 5, 10, 51):
        exact = stats.chi2.ppf(0.99, bins - 1) * (1 / 1000 + 1 / 500)
        assert index_by_chance(1000, 500, bins) == pytest.approx(exact, rel=0.03)
    assert stability_index(np.array([5, 5]), np.array([50, 50])) == pytest.approx(0, abs=1e-12)


def test_nothing_there():
    nothing = pl.DataFrame({"x": pl.Series([None, None], dtype=pl.Float64), "c": ["a", "b"]})
    report = of(nothing, pl.DataFrame({"x": [1.0, 2.0], "c": ["a", "b"]}))
    [column] = [column for column in report.columns if column.name == "x"]
    assert (column.psi, column.distance, column.missing) == (None, None, 1.0)


def test_times_are_numbers_truth_values_are_categories_and_text_is_neither():
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 4, 9), "1d", eager=True)
    then = pl.DataFrame({"day": days, "truth": [True, False] * 50, "text": ["a", None] * 50})
    now = then.with_columns(pl.col("day") + pl.duration(days=400), pl.lit(value=True).alias("truth"))
    types = {"day": "datetime", "truth": "boolean", "text": "text"}
    report = drift(now, types, then, types)
    by_name = {column.name: column for column in report.columns}
    assert (by_name["day"].distance, by_name["day"].out_of_range) == (1, 1)
    assert (by_name["truth"].measure, by_name["truth"].distance) == ("total_variation", 0.5)
    assert by_name["text"].model_dump(exclude_none=True) == {
        "name": "text",
        "type": "text",
        "missing": 0.5,
        "reference_missing": 0.5,
    }
    assert codes(report) == {("drift", "day"), ("out_of_range", "day"), ("drift", "truth")}
    assert report.columns[-1].name == "text"  # without an index
