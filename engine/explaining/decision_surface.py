"""The decision surface: the scores over a grid of two features, all others held."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values


class DecisionSurfaceSpec(ExplanationSpec):
    """The scores over a grid of values of two features; all other features stay as in the record or the reference."""

    method: Literal["decision_surface"] = "decision_surface"
    x: str = Field(description="The feature along the horizontal axis.")
    y: str = Field(description="The feature along the vertical axis.")
    points: int = Field(50, ge=2, le=200, description="Values of a number or a date, evenly spread.")

    formula = r"S_{uv} = f(x_a = u, x_b = v, x_{-ab} = x'_{-ab})"
    source = "Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, section 2.3"
    cost = "one forward pass a point of the grid"


def decision_surface(
    f: Callable[[Array], Values],
    row: Array,
    x_axis: tuple[Indices, Array],
    y_axis: tuple[Indices, Array],
) -> Values:
    """The scores (y values, x values, scores) around row (width,); an axis: its columns, and its values encoded."""
    (x_group, x_values), (y_group, y_values) = x_axis, y_axis
    rows = np.repeat(row[np.newaxis], len(x_values) * len(y_values), axis=0)
    rows[:, x_group] = np.tile(x_values, (len(y_values), 1))
    rows[:, y_group] = np.repeat(y_values, len(x_values), axis=0)
    return f(rows).reshape(len(y_values), len(x_values), -1)
