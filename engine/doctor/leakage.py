"""A feature that gives the answer away."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from engine.arrays import Array
from engine.doctor.case import Case, FeatureColumns
from engine.doctor.data import NAMED_AT_MOST, without
from engine.doctor.findings import Finding, Rule

CORRELATION = 0.995
ACCURACY = 0.995
COMMONEST_SHARE = 0.95
FEWEST_ROWS = 100
VALUES_AT_MOST = 500_000  # that are looked at
COLUMNS_AT_MOST = 2000
ROWS_AT_MOST = 512

Codes = NDArray[np.intp]

LEAKAGE_SUSPECT = Rule(
    code="leakage_suspect",
    explanation="A column that alone gives the answer away is often known only after the answer is, such as a "
    "date of cancellation: the model looks perfect here and is useless in practice.",
    rule=f"With at least two features and {FEWEST_ROWS} rows: for numbers, the rank correlation of one feature with "
    f"the target is at least {CORRELATION:g} in size; for classes, the class of the row that is nearest by one "
    f"feature, of the other half of the rows, is right in at least {ACCURACY:.1%} of them, and no class has more "
    f"than {COMMONEST_SHARE:.0%} of the rows. On up to {ROWS_AT_MOST} training rows.",
    source="Kaufman et al. 2012, Leakage in data mining: formulation, detection, and avoidance",
)


def examine_leakage(case: Case) -> Iterator[Finding]:
    """Suspects, all in one finding; on the sample's rows, fewer where they are wide."""
    width = case.x.shape[1]
    rows = min(len(case.x), ROWS_AT_MOST, VALUES_AT_MOST // width)
    if case.task == "autoencoding" or len(case.features) < 2 or rows < FEWEST_ROWS or width > COLUMNS_AT_MOST:
        return
    step = -(-len(case.x) // rows)
    x, y = case.x[::step], case.y[::step]
    of_numbers = case.task in {"regression", "count"}
    scores = _correlations(case, x, y) if of_numbers else _accuracies(case, x, y)
    bar = CORRELATION if of_numbers else ACCURACY
    suspects = {name: score for name, score in scores.items() if score >= bar}
    if not suspects:
        return
    worst = max(suspects, key=suspects.__getitem__)
    what = "rank correlation" if of_numbers else "accuracy"
    yield LEAKAGE_SUSPECT.found(
        "warning",
        f"The column {worst!r} alone predicts the target almost perfectly ({what} {suspects[worst]:.4f}).",
        {
            "columns": list[JsonValue](sorted(suspects)[:NAMED_AT_MOST]),
            "count": len(suspects),
            "measure": what.replace(" ", "_"),
            "score": suspects[worst],
            "rows": len(x),
        },
        without(case, set(suspects)),
    )


def _correlations(case: Case, x: Array, y: Array) -> dict[str, float]:
    """The largest |rank correlation| of each feature with a target."""
    targets = _normalised_ranks(y)
    of_column = np.abs(_normalised_ranks(x).T @ targets).max(axis=1)
    return {
        feature.name: float(of_column[feature.part].max())
        for feature in case.features
        if not feature.is_category
    }


def _normalised_ranks(values: Array) -> NDArray[np.float64]:
    """Ranks a column, ties by their mean, at mean 0 and length 1; a constant column is all zeros."""
    ranks = np.column_stack([_ranks(column) for column in values.T]) - (len(values) - 1) / 2
    length = np.sqrt(np.square(ranks).sum(axis=0))
    return ranks / np.where(length > 0, length, 1.0)


def _ranks(values: Array) -> NDArray[np.float64]:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - counts + last - 1) / 2
    return means[codes]


def _accuracies(case: Case, x: Array, y: Array) -> dict[str, float]:
    """For each feature, how often it alone is right about rows that it was not fitted to."""
    binary = [(label > 0.5).astype(np.intp) for label in y.T]
    targets = [y.argmax(axis=1)] if case.task == "multiclass" else binary
    targets = [codes for codes in targets if np.bincount(codes).max() <= COMMONEST_SHARE * len(codes)]
    return {
        feature.name: max(
            (_accuracy(values, target) for values in _columns(feature, x) for target in targets), default=0.0
        )
        for feature in case.features
    }


def _columns(feature: FeatureColumns, x: Array) -> list[Array]:
    """A feature's columns; a category's are one, of the category's number, 0 for none."""
    columns = x[:, feature.part]
    if feature.is_category:
        return [np.where(columns.any(axis=1), columns.argmax(axis=1) + 1.0, 0.0)]
    return list(columns.T)


def _accuracy(values: Array, target: Codes) -> float:
    """How often a row's class is that of the nearest row of the other half."""
    halves = [(values[start::2], target[start::2]) for start in (0, 1)]
    right = [_right(*halves[i], *halves[1 - i]) for i in (0, 1)]
    return sum(right) / len(values)


def _right(values: Array, target: Codes, known: Array, known_target: Codes) -> int:
    order = np.argsort(known, kind="stable")
    known, known_target = known[order], known_target[order]
    above = np.searchsorted(known, values).clip(1, len(known) - 1)
    nearest = np.where(values - known[above - 1] < known[above] - values, above - 1, above)
    return int(np.count_nonzero(known_target[nearest] == target))
