"""Predictions as MLflow and TensorFlow Serving answer them."""

from typing import Any

from app.dependencies import Context
from app.predictions import service as predictions
from app.predictions.reading import Inputs, Records
from app.problems import Invalid
from app.protocols.inference import outputs_of

ANSWERS = ("label", "labels", "value", "values", "reconstruction_error")
"""What a model's answer is in a word; each model has one of them."""


def invoked(context: Context, ref: str, rows: Records | Inputs, params: dict[str, Any]) -> list[Any]:
    """An answer a row: a label, labels, a value, values by target, or an error; or probabilities in order."""
    method = params.get("method", "predict")
    if method not in ("predict", "predict_proba"):
        raise Invalid.at("/params/method", "predict and predict_proba are allowed")
    answers = predictions.predict(context, ref, rows).predictions
    if method == "predict":
        [name] = [name for name in ANSWERS if name in answers[0]]
        return [answer[name] for answer in answers]
    if "probabilities" not in answers[0]:
        raise Invalid.at("/params/method", "this model has no probabilities")
    return [list(_probabilities(answer).values()) for answer in answers]


def by_row(context: Context, ref: str, rows: Records | Inputs) -> list[Any]:
    """One answer a row: a tensor's value, or several by name."""
    columns = _columns(context, ref, rows)
    if len(columns) == 1:
        [values] = columns.values()
        return values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def by_column(context: Context, ref: str, rows: Records | Inputs) -> Any:  # noqa: ANN401 - lists of any depth
    """A tensor's values, or several by name."""
    columns = _columns(context, ref, rows)
    return next(iter(columns.values())) if len(columns) == 1 else columns


def _columns(context: Context, ref: str, rows: Records | Inputs) -> dict[str, list[Any]]:
    answers = predictions.predict(context, ref, rows).predictions
    return {name: values.tolist() for name, _, values in outputs_of(answers) if name != "warnings"}


def _probabilities(answer: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = answer["probabilities"]
    return found
