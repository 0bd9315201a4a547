"""Correlations against SciPy and definitions written out."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from engine.spec import InvalidSpec
from engine.statistics.associations import correlation_ratio, cramers_v, pearson
from engine.statistics.correlation import correlation

RNG = np.random.default_rng(0)
WORDS = RNG.choice(list("abcd"), 300)
CODES = np.array(["abcd".index(word) for word in WORDS])
NUMBERS = CODES + RNG.normal(0, 1, 300)


def test_pearson_is_scipys():
    other = NUMBERS + RNG.normal(0, 2, 300)
    assert pearson(NUMBERS, other) == pytest.approx(stats.pearsonr(NUMBERS, other).statistic, abs=1e-12)
    assert pearson(NUMBERS * 1e150, -NUMBERS * 1e-150) == pytest.approx(-1)
    assert pearson(NUMBERS, np.full(300, 0.1)) is None


def test_cramers_v_without_its_bias():
    other = np.where(RNG.random(300) < 0.5, CODES, RNG.integers(0, 4, 300)) % 3
    table = np.zeros((4, 3))
    np.add.at(table, (CODES, other), 1)
    phi2 = stats.chi2_contingency(table, correction=False).statistic / 300
    phi2 = max(0, phi2 - 3 * 2 / 299)
    rows, columns = 4 - 9 / 299, 3 - 4 / 299
    assert cramers_v(CODES, other) == pytest.approx(np.sqrt(phi2 / min(rows - 1, columns - 1)), abs=1e-12)
    assert cramers_v(CODES, CODES) == pytest.approx(1)
    by_chance = [cramers_v(CODES, np.random.default_rng(s).integers(0, 30, 300)) for s in range(50)]
    assert np.mean(by_chance) < 0.1  # without the correction 0.31
    assert cramers_v(CODES, np.zeros(300, int)) is None


def test_correlation_ratio_is_the_share_between_groups():
    groups = [NUMBERS[code == CODES] for code in range(4)]
    between = sum(len(g) * (g.mean() - NUMBERS.mean()) ** 2 for g in groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups)
    assert correlation_ratio(CODES, NUMBERS) == pytest.approx(
        np.sqrt(between / (between + within)), abs=1e-12
    )
    f = stats.f_oneway(*groups).statistic  # F = eta^2 / (1 - eta^2) * (n - k) / (k - 1)
    eta2 = correlation_ratio(CODES, NUMBERS) ** 2
    assert eta2 / (1 - eta2) * (300 - 4) / 3 == pytest.approx(f, rel=1e-9)


def test_pairs_of_a_table():
    missing = pl.Series([None if i % 3 == 0 else value for i, value in enumerate(NUMBERS * 2)])
    frame = pl.DataFrame({"n": NUMBERS, "word": WORDS, "part": missing, "one": [1] * 300, "text": WORDS})
    types = {"n": "numeric", "word": "categorical", "part": "numeric", "one": "numeric", "text": "text"}
    report = correlation(frame, types)
    assert [column.name for column in report.columns] == ["n", "word", "part", "one"]
    assert report.left_out == ["text"]
    first = report.pairs[0]
    assert (first.first, first.second, first.measure, first.rows) == ("n", "part", "pearson", 200)
    assert first.value == pytest.approx(1)
    by_pair = {(pair.first, pair.second): pair for pair in report.pairs}
    assert len(by_pair) == 6
    assert by_pair["n", "word"].measure == "correlation_ratio"
    assert by_pair["n", "word"].value == pytest.approx(correlation_ratio(CODES, NUMBERS))
    assert by_pair["word", "one"].value is None
    assert report.pairs[-1].value is None
    with pytest.raises(InvalidSpec, match="'text' is text"):
        correlation(frame, types, ["n", "text"])
