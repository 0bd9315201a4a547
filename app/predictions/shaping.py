"""Answers as they are told: warnings, how many probabilities, where a class begins, which columns come back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.predictions.deciding import decide
from app.predictions.schemas import Shape
from app.problems import Invalid
from engine.encoding.errors import shown
from engine.ensemble import AnyModel


def warned(
    predictions: Sequence[Mapping[str, object]],
    warnings: Sequence[Sequence[str]],
    of_all: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Predictions with the warnings of each, and those of all."""
    return [
        {**prediction, "warnings": [*of_row, *of_all]}
        for prediction, of_row in zip(predictions, warnings, strict=True)
    ]


def shape(
    predictions: Sequence[dict[str, Any]],
    sent: Iterable[Mapping[str, Any]],
    model: AnyModel,
    wanted: Shape,
) -> None:
    """Change the predictions to what is wanted; `sent`: their rows, by column, of which some come back.

    Raises `Invalid` for what does not suit the model.
    """
    if wanted.threshold is not None:
        decide(predictions, model.target, wanted.threshold)
    if wanted.top is not None:
        _shorten(predictions, wanted.top)
    if wanted.columns:
        if model.windows is not None:
            raise Invalid.at(
                "/query/columns", "columns: a forecast is of many rows, so there are none to send back"
            )
        _echo(predictions, sent, {feature.name for feature in model.features}, wanted.columns)


def only_features(columns: tuple[str, ...], model: AnyModel) -> None:
    """Raise `Invalid` for a column that is not there where rows hold nothing but the model's features."""
    names = [feature.name for feature in model.features]
    if unknown := [name for name in columns if name not in names]:
        raise Invalid.at(
            "/query/columns",
            f"columns: the model has no feature {unknown[0][:100]!r}, and inputs hold nothing else",
        )


def _shorten(predictions: Sequence[dict[str, Any]], top: int) -> None:
    """The most probable classes alone, the most probable first."""
    if "probabilities" not in predictions[0]:
        raise Invalid.at("/query/top", "top: this model answers with no probabilities")
    for prediction in predictions:
        ranked = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
        prediction["probabilities"] = dict(ranked[:top])


def _echo(
    predictions: Sequence[dict[str, Any]],
    sent: Iterable[Mapping[str, Any]],
    features: set[str],
    columns: tuple[str, ...],
) -> None:
    """The named columns as they were sent; it is then no fault that the model does not know them."""
    expected = {f"unknown column {shown(name)} is ignored" for name in columns if name not in features}
    for prediction, row in zip(predictions, sent, strict=True):
        prediction["columns"] = {name: row.get(name) for name in columns}
        prediction["warnings"] = [warning for warning in prediction["warnings"] if warning not in expected]
