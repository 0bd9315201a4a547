"""The file: an .npz of every variable under its layer's name, and `about`, which says what they belong to.

A variable is `<layer>/<variable>`, such as `dense_0/kernel`; a layer within another has that one's name before its own.
`about` is JSON:

    format        "backpropd-keras-weights-1"
    input_shape   of one encoded row
    layers        in order: {"name", "module", "class_name", "config", "weights"}, such that keras.layers.deserialize
                  makes the layer and its set_weights takes the variables in this order; class_name is null where Keras
                  has no layer that computes the same. Layers made of layers are {"name", "merge", "chains"}: chains of
                  layers side by side, whose outputs are added, multiplied or concatenated.
    networks      of several networks: one such list each, in place of `layers`
    link          what is applied to the outputs: identity, sigmoid, softmax or exp
    target        what the answers mean, as the model has it
    features      the columns that the encoder reads; the encoder itself is not in the file
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.arrays import Array, Shape
from engine.ensemble import AnyModel, Ensemble
from engine.export.errors import NotExportable
from engine.export.keras import dense, images, series
from engine.export.keras.layer import MODULE, KerasLayer, Rule
from engine.export.writer import take
from engine.layers import Layer, LayerSpec
from engine.layers.combinators import CombinatorSpec, ParallelSpec, ResidualSpec, SequentialSpec
from engine.model import Model

FORMAT = "backpropd-keras-weights-1"
RULES: dict[type[LayerSpec], Rule] = {**dense.RULES, **images.RULES, **series.RULES}
"""The rule of every layer that Keras has, or whose weights are ordered here."""
MERGED = ResidualSpec | ParallelSpec | SequentialSpec


def export_keras_weights(model: AnyModel) -> bytes:
    """The file's bytes. Raises `NotExportable` for a layer with weights that Keras does not have."""
    arrays: dict[str, Array] = {}
    about: dict[str, Any] = {
        "format": FORMAT,
        "input_shape": list(model.encoder.shape),
        "link": model.link,
        "target": model.target.model_dump(mode="json"),
        "features": [feature.model_dump(mode="json") for feature in model.features],
    }
    if isinstance(model, Ensemble):
        about["networks"] = [
            _network(member, f"network_{place}/", arrays) for place, member in enumerate(model.members)
        ]
    else:
        about["layers"] = _network(model, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    return buffer.getvalue()


def _network(model: Model, prefix: str, arrays: dict[str, Array]) -> list[dict[str, Any]]:
    walk = _Walk(model.theta, model.state, arrays)
    return walk.chain(model.network.layers, model.encoder.shape, prefix)


class _Walk:
    """Goes through a network's layers in their order, which is that of their weights."""

    def __init__(self, theta: Array, state: Array, arrays: dict[str, Array]) -> None:
        self._theta, self._state, self._arrays = theta, state, arrays

    def chain(self, specs: Sequence[LayerSpec], in_shape: Shape, prefix: str) -> list[dict[str, Any]]:
        """Describe layers one after the other, and add their variables to the arrays."""
        described: list[dict[str, Any]] = []
        for place, spec in enumerate(specs):
            layer = spec.build(in_shape)
            described += self._layer(spec, layer, f"{prefix}{spec.kind}_{place}")
            in_shape = layer.out_shape
        return described

    def _layer(self, spec: LayerSpec, layer: Layer, name: str) -> list[dict[str, Any]]:
        if isinstance(spec, MERGED):
            merge = "add" if isinstance(spec, ResidualSpec) else getattr(spec, "merge", None)
            chains = [
                self.chain(chain, layer.in_shape, f"{name}/chain_{i}/") for i, chain in enumerate(spec.chains)
            ]
            return [{"name": name, "merge": merge, "chains": chains}]
        rule = RULES.get(type(spec))
        weights, self._theta = take(layer.param_shapes, self._theta)
        states, self._state = take(layer.state_shapes, self._state)
        if rule is None:
            if weights or isinstance(spec, CombinatorSpec):
                raise NotExportable(f"Keras has no layer like {spec.kind} for the weights of {name}")
            rule = _unknown
        described = []
        for made in rule(spec, layer, weights | states):
            whole = f"{name}{made.suffix}"
            for variable, values in made.weights.items():
                self._arrays[f"{whole}/{variable}"] = np.ascontiguousarray(values, np.float32)
            described.append(
                {
                    "name": whole,
                    "module": MODULE,
                    "class_name": made.class_name,
                    "config": made.config,
                    "weights": list(made.weights),
                }
            )
        return described


def _unknown(spec: LayerSpec, layer: Layer, weights: Mapping[str, Array]) -> list[KerasLayer]:
    """A layer without weights that Keras does not have, as we describe it."""
    return [KerasLayer(None, spec.model_dump(mode="json"))]
