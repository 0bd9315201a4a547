"""Denoising autoencoders: a layer learns to restore what was taken from its input."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.pretraining.base import PretrainingSpec, TiedLayers, Visible, Weights


class Autoencoder(TiedLayers):
    """r = down(up(v)): reconstructs its input, with the same weights both ways."""

    def loss(self, v: Array, seen: Array) -> float:
        """The mean over the rows of the loss of the reconstruction r of v from `seen`.

        binary: -sum_i v_i log r_i + (1 - v_i) log(1 - r_i); gaussian: |v - r|^2 / 2.
        """
        h = self.up(seen)
        if self.visible == "gaussian":
            return float(np.square(v - self.down(h)).sum(axis=1).mean() / 2)
        z = h @ self.W.T + self.a
        return float((np.logaddexp(0, z) - v * z).sum(axis=1).mean())

    def gradient(self, v: Array, seen: Array) -> Weights:
        """The direction in which `loss` falls.

        delta_v = v - r and delta_h = (delta_v W) h (1 - h); W is used twice, so its gradient is a sum:
        seen delta_h + delta_v h.
        """
        rows = len(v)
        h = self.up(seen)
        delta_v = v - self.down(h)
        delta_h = (delta_v @ self.W) * h * (1 - h)
        return Weights((seen.T @ delta_h + delta_v.T @ h) / rows, delta_v.mean(axis=0), delta_h.mean(axis=0))


class AutoencoderPretrainingSpec(PretrainingSpec):
    """Starts each dense layer before a sigmoid as half of a denoising autoencoder, lowest first.

    Some inputs are set to 0, and the layer learns to restore them from the others; what it makes of the
    whole inputs is the next one's input. W and the hidden biases are then the dense layer's.
    """

    formula: ClassVar[str] = r"h = \sigma(W \tilde{v} + b), \quad r = \sigma(W^T h + a), \quad C = L(v, r)"
    source: ClassVar[str] = (
        "Vincent, Larochelle, Bengio & Manzagol 2008, Extracting and composing robust features with "
        "denoising autoencoders; Bengio et al. 2007, Greedy layer-wise training of deep networks"
    )

    kind: Literal["autoencoder"] = "autoencoder"
    corruption: float = Field(0.25, ge=0, lt=1, description="Share of the inputs that are set to 0.")

    def over(self, weights: Weights, visible: Visible) -> Autoencoder:
        """An autoencoder with these parameters."""
        return Autoencoder(weights, visible)

    def gradient(self, layers: TiedLayers, v: Array, rng: np.random.Generator) -> Weights:
        """The direction in which the reconstruction of v from a corrupted copy gets better."""
        assert isinstance(layers, Autoencoder), "made by `over`"
        return layers.gradient(v, v * (rng.random(v.shape, v.dtype) >= self.corruption))
