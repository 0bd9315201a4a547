"""What a model predicts: target columns -> the arrays that training compares with, and answers -> words.

Three arrays of a row each belong to a target:

    encoded   float32 (rows, outputs), what the loss compares the network's outputs with: 0 and 1, standardised
              values
    answers   float64, what the model says: probabilities, values in the column's own unit
    truth     float64, of the answers' shape: what is compared with them in a report

Answers have as many columns as the network has outputs, but for ordered classes, whose outputs say whether
the class is higher than each but the last and whose answers are the probabilities of all.
"""

from typing import Annotated

from pydantic import Field

from engine.encoding.target.base import Prediction, Target
from engine.encoding.target.classes import ClassTarget, both_classes, label_text
from engine.encoding.target.multilabel import MultilabelTarget
from engine.encoding.target.numbers import RegressionTarget
from engine.encoding.target.reconstruction import FeaturePart, ReconstructionTarget

AnyTarget = Annotated[
    ClassTarget | MultilabelTarget | RegressionTarget | ReconstructionTarget, Field(discriminator="kind")
]
"""Any target, told apart by `kind`, which is the task's name."""

__all__ = [
    "AnyTarget",
    "ClassTarget",
    "FeaturePart",
    "MultilabelTarget",
    "Prediction",
    "ReconstructionTarget",
    "RegressionTarget",
    "Target",
    "both_classes",
    "label_text",
]
