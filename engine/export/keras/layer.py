"""What a layer is in Keras: a class, its configuration, and its variables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.arrays import Array
from engine.layers import Layer

Config = dict[str, Any]
MODULE = "keras.layers"
"""Where Keras looks for a class."""


@dataclass(frozen=True)
class KerasLayer:
    """One layer of Keras."""

    class_name: str | None  # None: Keras has no layer that computes the same
    config: Config = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)  # in the order of Keras' set_weights
    suffix: str = ""  # of its name, where one of our layers is several


Rule = Callable[[Any, Layer, Mapping[str, Array]], list[KerasLayer]]
"""Spec, built layer, its parameters and state by name -> the layers of Keras, one after the other."""


def named(weights: Mapping[str, Array], **names: str) -> dict[str, Array]:
    """Those of `weights` that are there, as `ours=theirs` names them, in that order."""
    return {theirs: weights[ours] for ours, theirs in names.items() if ours in weights}
