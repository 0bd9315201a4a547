"""Targets there and back: labels keep their type, values their unit."""

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from engine.encoding import InvalidTarget, UnreadableTable
from engine.encoding.target import (
    AnyTarget,
    ClassTarget,
    MultilabelTarget,
    ReconstructionTarget,
    RegressionTarget,
)

X = np.zeros((3, 2), np.float32)


def frame(*values, name="y"):
    return pl.DataFrame({name: list(values)})


@pytest.mark.parametrize("labels", [("a", "b"), (1, 2), (-5, 0), (False, True)])
def test_two_labels_are_one_column(labels):
    low, high = labels
    target = ClassTarget.fit(frame(high, low, high), ["y"])
    assert (target.kind, target.outputs, target.classes) == ("binary", 1, labels)
    assert target.encode(frame(high, low, high), X).tolist() == [[1], [0], [1]]
    first, second, third = target.decode(np.array([[0.75], [0.25], [0.5]]), X)
    keys = [str(label).lower() for label in labels]
    assert first == {"label": high, "probabilities": {keys[0]: 0.25, keys[1]: 0.75}}
    assert (second["label"], third["label"]) == (low, low)
    assert type(first["label"]) is type(high)


def test_several_labels_are_one_hot():
    target = ClassTarget.fit(frame("c", "a", "b", "a"), ["y"])
    assert (target.kind, target.outputs, target.classes) == ("multiclass", 3, ("a", "b", "c"))
    encoded = target.encode(frame("b", "a", "c"), X)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert target.codes(frame("b", "a", "c")).tolist() == [1, 0, 2]
    assert target.decode(np.array([[0.25, 0.5, 0.25]]), X[:1]) == [
        {"label": "b", "probabilities": {"a": 0.25, "b": 0.5, "c": 0.25}}
    ]


def test_two_labels_may_be_multiclass():
    target = ClassTarget.fit(frame("a", "b"), ["y"], "multiclass")
    assert target.encode(frame("b"), X).tolist() == [[0, 1]]
    assert target.decode(np.array([[0.25, 0.75]]), X)[0]["label"] == "b"


def test_labels_are_read_as_the_type_that_was_fitted():
    target = ClassTarget.fit(frame("1", "2", "x"), ["y"])
    assert target.codes(frame(1, 2)).tolist() == [0, 1]
    target = ClassTarget.fit(frame(1, 2), ["y"])
    assert target.codes(frame("1", "2")).tolist() == [0, 1]
    assert ClassTarget.fit(frame(True, False), ["y"]).codes(frame(0, 1)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a", "a"], None, "y has the one class 'a' in all rows"),
        (["a", "b", None], None, "y is missing in row 3"),
        ([1.5, 2.5], None, "neither text nor booleans nor whole numbers"),
        (["a", "b", "c"], "binary", "y has 3 classes, but a binary task has 2"),
    ],
)
def test_what_has_no_classes(values, kind, message):
    with pytest.raises(InvalidTarget, match=message):
        ClassTarget.fit(frame(*values), ["y"], kind)


@pytest.mark.parametrize("name", ["", "*", "^.*$"])
def test_any_name_is_a_name(name):
    table = pl.DataFrame({"other": [7.0, 8.0], name: [1, 2]})
    assert ClassTarget.fit(table, [name]).codes(table).tolist() == [0, 1]
    assert RegressionTarget.fit(table, [name]).means == (1.5,)
    assert MultilabelTarget.fit(pl.DataFrame({"o": [5], name: [1]}), [name]).outputs == 1


def test_unknown_labels_and_columns():
    target = ClassTarget.fit(frame("a", "b"), ["y"])
    with pytest.raises(InvalidTarget, match="y holds 'z' in row 2, which is no class of the model") as error:
        target.encode(frame("a", "z"), X)
    assert (error.value.column, error.value.row) == ("y", 1)
    with pytest.raises(InvalidTarget, match="there is no column 'y'"):
        target.encode(frame("a", name="other"), X)
    with pytest.raises(InvalidTarget, match="several are a multilabel task"):
        ClassTarget.fit(frame("a", "b"), ["y", "z"])


def test_multilabel():
    table = pl.DataFrame({"red": [1, 0, 1], "blue": [True, True, False], "green": ["0", "1", "0"]})
    target = MultilabelTarget.fit(table, ["red", "blue", "green"])
    assert target.outputs == 3
    assert target.encode(table, X).tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 0]]
    assert target.decode(np.array([[0.75, 0.5, 0.625]]), X) == [
        {"labels": ["red", "green"], "probabilities": {"red": 0.75, "blue": 0.5, "green": 0.625}}
    ]
    with pytest.raises(InvalidTarget, match="holds 0 and 1, but y holds '2' in row 2"):
        MultilabelTarget.fit(frame(0, 2), ["y"])


def test_regression_is_standardised_and_back():
    target = RegressionTarget.fit(frame(1, 2, 6), ["y"])
    encoded = target.encode(frame(1, 2, 6), X)
    values = np.array([1, 2, 6])
    np.testing.assert_allclose(encoded[:, 0], (values - 3) / values.std(), rtol=1e-6)
    answers = target.answers(encoded)
    assert answers.dtype == np.float64
    np.testing.assert_allclose(answers, target.truth(frame(1, 2, 6), X), rtol=1e-6)
    assert target.decode(np.array([[2.5]]), X) == [{"value": 2.5}]


def test_several_values_and_a_constant():
    table = pl.DataFrame({"a": [1.0, 3.0], "b": [5.0, 5.0]})
    target = RegressionTarget.fit(table, ["a", "b"])
    assert target.stds == (1, 1)
    assert target.encode(table, X).tolist() == [[-1, 0], [1, 0]]
    assert target.decode(np.array([[2.5, 5.0]]), X) == [{"values": {"a": 2.5, "b": 5.0}}]


def test_amounts_are_counted_from_0_in_units_of_their_mean():
    table = pl.DataFrame({"a": [0, 1, 5], "b": [0.0, 0.0, 0.0]})
    target = RegressionTarget.fit_amounts(table, ["a", "b"])
    assert (target.means, target.stds) == ((0, 0), (2, 1))
    assert target.encode(table, X).tolist() == [[0, 0], [0.5, 0], [2.5, 0]]
    assert target.answers(np.array([[1.0, 1.0]])).tolist() == [[2, 1]]


def test_regression_takes_numbers_that_are_there():
    with pytest.raises(UnreadableTable, match="'x' in row 1 is not a number"):
        RegressionTarget.fit(frame("x", "y"), ["y"])
    with pytest.raises(InvalidTarget, match="y is missing in row 2"):
        RegressionTarget.fit(frame(1.0, None), ["y"])


def test_reconstruction_is_the_encoded_input():
    target = ReconstructionTarget(width=2)
    x = np.array([[1, 2], [3, 4]], np.float32)
    assert target.encode(pl.DataFrame(), x) is x
    assert target.truth(pl.DataFrame(), x).tolist() == x.tolist()
    assert target.decode(np.array([[1.0, 0.0], [3.0, 4.0]]), x) == [
        {"reconstruction_error": 2.0},
        {"reconstruction_error": 0.0},
    ]


@pytest.mark.parametrize(
    "target",
    [
        ClassTarget.fit(frame("a", "b"), ["y"]),
        ClassTarget.fit(frame(0, 1), ["y"]),
        ClassTarget.fit(frame(False, True), ["y"]),
        ClassTarget.fit(frame("1", "2", "3"), ["y"]),
        MultilabelTarget(names=("a", "b")),
        RegressionTarget.fit(frame(0.1, 0.2, 0.7), ["y"]),
        ReconstructionTarget(width=3),
    ],
)
def test_json_keeps_every_bit_and_type(target):
    adapter = TypeAdapter(AnyTarget)
    again = adapter.validate_json(adapter.dump_json(target))
    assert again == target
    if isinstance(target, ClassTarget):
        assert list(map(type, again.classes)) == list(map(type, target.classes))
