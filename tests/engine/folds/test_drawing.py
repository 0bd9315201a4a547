"""Folds have the properties that scikit-learn's splitters promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from engine.folds.drawing import (
    TooFew,
    expanding_windows,
    group_k_fold,
    group_split,
    k_fold,
    stratified_k_fold,
    time_split,
)

QUICK = settings(max_examples=40, deadline=None)


def rng(seed=0):
    return np.random.default_rng(seed)


def assert_every_row_validates_once(parts, rows):
    validating = np.concatenate([validation for _, validation in parts])
    assert sorted(validating.tolist()) == list(range(rows))
    for training, validation in parts:
        assert sorted([*training.tolist(), *validation.tolist()]) == list(range(rows))
        assert (np.diff(training) > 0).all()
        assert (np.diff(validation) > 0).all()


@QUICK
@given(rows=st.integers(2, 60), folds=st.integers(2, 10), seed=st.integers(0, 9))
def test_k_fold(rows, folds, seed):
    if folds > rows:
        with pytest.raises(TooFew, match=f"{rows} rows"):
            k_fold(rows, folds, rng())
        return
    parts = k_fold(rows, folds, rng(seed))
    assert len(parts) == folds
    assert_every_row_validates_once(parts, rows)
    sizes = [len(validation) for _, validation in parts]
    assert max(sizes) - min(sizes) <= 1


@QUICK
@given(counts=st.lists(st.integers(2, 12), min_size=1, max_size=5), folds=st.integers(2, 6))
def test_stratified_k_fold(counts, folds):
    labels = rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    if folds > len(labels):
        with pytest.raises(TooFew):
            stratified_k_fold(labels, folds, rng())
        return
    parts = stratified_k_fold(labels, folds, rng())
    assert_every_row_validates_once(parts, len(labels))
    sizes = [len(validation) for _, validation in parts]
    assert max(sizes) - min(sizes) <= 1
    for label in range(len(counts)):
        shares = [int((labels[validation] == label).sum()) for _, validation in parts]
        assert max(shares) - min(shares) <= 1
        for training, _ in parts:
            assert (labels[training] == label).any()


def test_a_class_of_one_row_always_trains():
    parts = stratified_k_fold(["a", "b", "a", "a"], 3, rng())
    assert all(1 in training for training, _ in parts)
    assert sorted(np.concatenate([validation for _, validation in parts]).tolist()) == [0, 2, 3]


@QUICK
@given(groups=st.lists(st.integers(0, 8), min_size=3, max_size=50), folds=st.integers(2, 4))
def test_group_k_fold(groups, folds):
    groups = np.array(groups)
    if folds > len(set(groups.tolist())):
        with pytest.raises(TooFew, match="groups"):
            group_k_fold(groups, folds, rng())
        return
    parts = group_k_fold(groups, folds, rng())
    assert_every_row_validates_once(parts, len(groups))
    for training, validation in parts:
        assert len(validation)
        assert not set(groups[training].tolist()) & set(groups[validation].tolist())


def test_groups_of_one_size_make_folds_of_one_size():
    parts = group_k_fold(np.repeat(np.arange(20), 3), 5, rng())
    assert [len(validation) for _, validation in parts] == [12] * 5


@QUICK
@given(rows=st.integers(3, 60), folds=st.integers(2, 8), seed=st.integers(0, 9))
def test_expanding_windows_are_scikit_learn_s_in_the_order_of_time(rows, folds, seed):
    times = rng(seed).permutation(rows)
    if rows <= folds:
        with pytest.raises(TooFew):
            expanding_windows(times, folds)
        return
    order = np.argsort(times)
    expected = TimeSeriesSplit(folds).split(order)
    for (training, validation), (past, window) in zip(expanding_windows(times, folds), expected, strict=True):
        assert training.tolist() == sorted(order[past].tolist())
        assert validation.tolist() == sorted(order[window].tolist())


@QUICK
@given(times=st.lists(st.integers(0, 5), min_size=4, max_size=40), folds=st.integers(2, 4))
def test_rows_of_one_moment_are_on_one_side(times, folds):
    times = np.array(times)
    try:
        parts = [*expanding_windows(times, folds), time_split(times, 0.3)]
    except TooFew:
        return
    for training, validation in parts:
        assert times[training].max() < times[validation].min()


def test_one_moment_cannot_be_parted():
    with pytest.raises(TooFew, match="no row lies before 7"):
        time_split(np.full(10, 7), 0.2)


def test_the_last_rows_by_time_validate():
    training, validation = time_split(np.array([5, 1, 4, 2, 3, 0, 9, 8, 7, 6]), 0.2)
    assert validation.tolist() == [6, 7]
    assert training.tolist() == [0, 1, 2, 3, 4, 5, 8, 9]


@QUICK
@given(
    groups=st.lists(st.integers(0, 20), min_size=2, max_size=80),
    fraction=st.floats(0.05, 0.9),
    seed=st.integers(0, 5),
)
def test_whole_groups_validate(groups, fraction, seed):
    groups = np.array(groups)
    _, counts = np.unique(groups, return_counts=True)
    if len(counts) < 2:
        with pytest.raises(TooFew, match="one group"):
            group_split(groups, fraction, rng())
        return
    training, validation = group_split(groups, fraction, rng(seed))
    assert len(training)
    assert len(validation)
    assert not set(groups[training].tolist()) & set(groups[validation].tolist())
    others = counts.max()  # no group more, and none less, comes nearer than by what one group is
    assert abs(len(validation) - fraction * len(groups)) <= max(others, len(groups) - fraction * len(groups))
