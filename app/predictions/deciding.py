"""Where a class begins: the label by another threshold than 1/2."""

from collections.abc import Sequence
from typing import Any

from app.problems import Invalid
from engine.encoding.target import AnyTarget


def check_threshold(target: AnyTarget) -> None:
    """Raise `Invalid` where a threshold decides nothing."""
    if target.kind not in {"binary", "multilabel"}:
        raise Invalid(f"threshold: it is for two classes, or for several labels; this model is {target.kind}")


def decide(predictions: Sequence[dict[str, Any]], target: AnyTarget, threshold: float) -> None:
    """The label by the second class's probability, or the labels by each one's: at least `threshold`."""
    check_threshold(target)
    for prediction in predictions:
        probabilities = prediction["probabilities"]
        if target.kind == "binary":
            prediction["label"] = target.classes[list(probabilities.values())[1] >= threshold]
        else:
            prediction["labels"] = [label for label, p in probabilities.items() if p >= threshold]
