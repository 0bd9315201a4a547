"""What a request may change about answers: how many probabilities, where a class begins, which columns come back."""

from dataclasses import dataclass
from typing import Any

from app.dependencies import Context
from app.predictions.deciding import decide
from app.predictions.reading import Inputs, Records
from app.predictions.service import Answers, loaded_by_reference
from app.problems import Invalid
from engine.encoding import Feature
from engine.encoding.errors import shown


@dataclass(frozen=True)
class Shape:
    """As the request has it; nothing by default."""

    top: int | None = None
    threshold: float | None = None
    columns: tuple[str, ...] = ()


def shaped(context: Context, answers: Answers, rows: Records | Inputs, shape: Shape) -> Answers:
    """The answers as they are asked for; raises `Invalid` for what does not suit the model."""
    if shape == Shape():
        return answers
    _, model = loaded_by_reference(context, answers.model_id)
    if shape.threshold is not None:
        decide(answers.predictions, model.target, shape.threshold)
    if shape.top is not None:
        _shorten(answers.predictions, shape.top)
    if shape.columns:
        if model.windows is not None:
            raise Invalid("columns: a forecast is of many rows, so there are none to send back")
        _echo(answers.predictions, rows, model.features, shape.columns)
    return answers


def _shorten(predictions: list[dict[str, Any]], top: int) -> None:
    """The most probable classes alone, the most probable first."""
    if "probabilities" not in predictions[0]:
        raise Invalid("top: this model answers with no probabilities")
    for prediction in predictions:
        ranked = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
        prediction["probabilities"] = dict(ranked[:top])


def _echo(
    predictions: list[dict[str, Any]],
    rows: Records | Inputs,
    features: tuple[Feature, ...],
    columns: tuple[str, ...],
) -> None:
    """The named columns as they were sent; it is then no fault that the model does not know them."""
    names = [feature.name for feature in features]
    if isinstance(rows, Inputs) and (unknown := [name for name in columns if name not in names]):
        raise Invalid(f"columns: the model has no feature {unknown[0][:100]!r}, and inputs hold nothing else")
    expected = {f"unknown column {shown(name)} is ignored" for name in columns if name not in names}
    for prediction, row in zip(predictions, rows.rows, strict=True):
        record = row if isinstance(row, dict) else dict(zip(names, row, strict=True))
        prediction["columns"] = {name: record.get(name) for name in columns}
        prediction["warnings"] = [warning for warning in prediction["warnings"] if warning not in expected]
