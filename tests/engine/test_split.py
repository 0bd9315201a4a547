"""Every row goes to one side, and each class keeps its share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from engine.encoding.split import balanced_weights, split


def rng():
    return np.random.default_rng(7)


@settings(deadline=None)
@given(st.integers(2, 500), st.floats(0.001, 0.999))
def test_rows_without_strata(rows, fraction):
    training, validation = split(rows, fraction, rng())
    assert sorted([*training, *validation]) == list(range(rows))
    assert len(validation) == min(max(round(fraction * rows), 1), rows - 1)
    assert (np.diff(training) > 0).all()
    assert (np.diff(validation) > 0).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=300), st.floats(0.01, 0.99))
def test_classes_keep_their_share(labels, fraction):
    strata = np.array(labels)
    training, validation = split(len(labels), fraction, rng(), strata)
    assert sorted([*training, *validation]) == list(range(len(labels)))
    assert len(training) >= 1
    assert len(validation) >= 1
    names, counts = np.unique(strata, return_counts=True)
    if counts.max() == 1:
        return
    assert set(strata[training]) == set(names)
    wanted = min(max(round(fraction * len(labels)), 1), len(labels) - 1)
    assert len(validation) == min(wanted, (counts - 1).sum())
    if (counts * (1 - wanted / len(labels)) >= 1).all():  # no class is short of training rows
        ideal = wanted * counts / len(labels)
        shares = np.array([(strata[validation] == name).sum() for name in names])
        assert (np.abs(shares - ideal) < 1).all()


def test_the_generator_alone_decides():
    labels = np.array(["a", "b", "b"] * 30)
    first, second = split(90, 0.2, rng(), labels), split(90, 0.2, rng(), labels)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    other = split(90, 0.2, np.random.default_rng(8), labels)
    assert (first[1] != other[1]).any()


def test_a_class_of_one_row_stays_in_training():
    labels = np.array(["a"] * 10 + ["lone"] + ["b"] * 10)
    for fraction in (0.1, 0.5, 0.9):
        assert 10 in split(21, fraction, rng(), labels)[0]


def test_only_lone_classes_are_split_like_rows():
    training, validation = split(4, 0.5, rng(), ["a", "b", "c", "d"])
    assert (len(training), len(validation)) == (2, 2)


def test_what_cannot_be_split():
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        split(1, 0.5, rng())
    for fraction in (0, 1, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0 and below 1"):
            split(10, fraction, rng())


def test_balanced_weights_are_scikit_learns():
    codes = np.array([0, 0, 0, 1, 3, 3])
    weights = balanced_weights(codes, 5)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=codes)
    np.testing.assert_allclose(weights[[0, 1, 3]], expected, rtol=1e-6)
    assert weights[[2, 4]].tolist() == [0, 0]
    assert weights[codes].mean() == pytest.approx(1)
