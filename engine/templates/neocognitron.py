"""The neocognitron, from which convolutional networks come."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from engine.layers import LayerSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.activations.softsign import SoftsignSpec
from engine.layers.convolution.conv import Conv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.pooling.pool import AveragePool2dSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec
from engine.templates.images import Filters, ImageShape, ImageTemplateSpec


class NeocognitronSpec(ImageTemplateSpec):
    """Alternating layers of S-cells, which look for a feature, and C-cells, which forgive its place.

    Fukushima published it in 1980; the year 1986 that the article names is wrong. An S-cell is a
    rectified weighted sum over a small window, with the same weights everywhere: a convolution. A C-cell
    averages the S-cells of one feature in its neighbourhood and saturates: psi(x) = x / (1 + x). So a
    feature may shift a little without a change further on, and the C-cells of the last stage, which see the
    whole image, let the pattern shift as a whole. The original learned without a teacher; here
    backpropagation trains all stages.
    """

    formula: ClassVar[str] = (
        r"u_S = \mathrm{ReLU}(W * u_C + b), \quad u_C = \psi(\mathrm{mean}_{window}\, u_S), \quad"
        r" \psi(x) = \frac{x}{1 + x}"
    )
    source: ClassVar[str] = (
        "Fukushima 1980, Neocognitron: a self-organizing neural network model for a mechanism of pattern "
        "recognition unaffected by shift in position"
    )

    kind: Literal["neocognitron"] = "neocognitron"
    input_shape: ImageShape = (16, 16, 1)
    features: tuple[Filters, ...] = Field(
        (16, 32), min_length=1, max_length=10, description="Features that the S-cells of each stage look for."
    )
    s_window: int = Field(5, ge=1, le=31, description="Side of the window that an S-cell sees.")
    c_window: int = Field(
        3,
        ge=1,
        le=31,
        description="Side of the window that a C-cell averages, in steps of 2; in the last stage it is the "
        "whole image.",
    )

    def layers(self) -> Iterator[LayerSpec]:
        """S-cells and C-cells of each stage, then a dense layer that reads the answer off."""
        last = len(self.features) - 1
        for stage, features in enumerate(self.features):
            yield from (Conv2dSpec(filters=features, kernel_size=self.s_window, padding="same"), ReluSpec())
            if stage == last:
                yield GlobalAveragePoolSpec()
            else:
                yield AveragePool2dSpec(pool_size=self.c_window, stride=2, padding="same")
            yield SoftsignSpec()
        yield DenseSpec()
