"""Grad-CAM: where in an image a convolution sees what speaks for a class."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.explaining.base import ExplanationSpec, Unexplainable
from engine.explaining.layer_values import trace
from engine.explaining.scores import Values

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.model import Model


class GradCamSpec(ExplanationSpec):
    """A map of the places in an image that speak for the score, at the resolution of a layer's channels.

    The channels of the layer are weighted by the mean gradient of the logit in each, added up, cut at 0 and
    enlarged to the image.
    """

    method: Literal["grad_cam"] = "grad_cam"
    layer: int | None = Field(
        None, ge=0, description="A layer whose output is (height, width, channels); left out, the last such."
    )

    formula = (
        r"\alpha_k = \frac{1}{hw} \sum_{ij} \frac{\partial z_c}{\partial A^k_{ij}}, \quad "
        r"L = \max\left(0, \sum_k \alpha_k A^k\right)"
    )
    source = "Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks, equations 1 and 2"
    cost = "one forward and backward pass a record"


def image_shape(model: "Model") -> tuple[int, int, int]:
    """Height, width and channels of the image that an encoded row is; raises `Unexplainable` where it is none."""
    shape = model.encoder.shape
    for spec, layer in zip(model.network.layers, model.network.build(shape), strict=True):
        if len(shape) == 3 or spec.kind != "reshape":
            break
        shape = layer.out_shape
    if len(shape) != 3:
        raise Unexplainable("only a network of images has places: its rows are (height, width, channels)")
    return shape[0], shape[1], shape[2]


def channel_layer(model: "Model", asked: int | None) -> int:
    """The layer whose channels are looked at, `asked` or the last that has any; raises `Unexplainable`."""
    image_shape(model)
    shapes = [layer.out_shape for layer in model.network.build(model.encoder.shape)]
    if asked is None:
        found = [place for place, shape in enumerate(shapes) if _has_places(shape)]
        if not found:
            raise Unexplainable("no layer of the network keeps height, width and channels")
        return found[-1]
    if asked >= len(shapes) or not _has_places(shapes[asked]):
        raise Unexplainable(
            f"layer {asked} has no output of (height, width, channels); those that have: "
            + (", ".join(str(place) for place, shape in enumerate(shapes) if _has_places(shape)) or "none"),
            "layer",
        )
    return asked


def grad_cam(model: "Model", row: Array, output: int, layer: int) -> Values:
    """The map (height, width) of a row (width,) at the image's size, from `layer`'s channels."""
    found = trace(model, row, output, logits=True)
    channels, slopes = found.outputs[layer], found.gradients[layer]
    weights = slopes.mean(axis=(0, 1))
    height, width, _ = image_shape(model)
    return enlarged(np.maximum(channels @ weights, 0.0), height, width)


def enlarged(values: Values, height: int, width: int) -> Values:
    """Bilinear interpolation of (h, w) to (height, width), pixels taken as squares around their centers."""
    down = _between(values.shape[0], height)
    across = _between(values.shape[1], width)
    enlarged_values: Values = down @ values @ across.T
    return enlarged_values


def _between(old: int, new: int) -> Values:
    """The matrix (new, old) of linear interpolation along one axis, constant beyond the outermost centers."""
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(places.astype(np.intp), max(old - 2, 0))
    share = places - low
    weights = np.zeros((new, old))
    weights[np.arange(new), low] = 1 - share
    if old > 1:
        weights[np.arange(new), low + 1] = share
    return weights


def _has_places(shape: Shape) -> bool:
    return len(shape) == 3
