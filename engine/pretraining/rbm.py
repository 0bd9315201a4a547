"""Restricted Boltzmann machines: energy, probabilities, the exact gradient and contrastive divergence."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array
from engine.pretraining.base import PretrainingSpec, TiedLayers, Visible, Weights

HALF_LOG_2PI = np.log(2 * np.pi) / 2  # the logarithm of a standard normal's integral
HIDDEN_AT_MOST = 20
"""Hidden units whose 2^n states can still be enumerated."""


class Rbm(TiedLayers):
    """p(v, h) = e^-E(v, h) / Z, with hidden units that are 0 or 1.

    binary v:    E(v, h) = -a v - b h - v W h             (Hinton 2002)
    gaussian v:  E(v, h) = |v - a|^2 / 2 - b h - v W h    (Hinton & Salakhutdinov 2006, of deviation 1)
    """

    def energy(self, v: Array, h: Array) -> Array:
        """E(v, h) of each row, (rows,)."""
        energy: Array = self._visible_energy(v) - h @ self.b - ((v @ self.W) * h).sum(axis=1)
        return energy

    def free_energy(self, v: Array) -> Array:
        """F(v) = -log sum_h e^-E(v, h) of each row, (rows,): the hidden units summed out one by one."""
        free: Array = self._visible_energy(v) - np.logaddexp(0, v @ self.W + self.b).sum(axis=1)
        return free

    def log_partition(self) -> float:
        """log Z, over all states; raises `ValueError` for more than `HIDDEN_AT_MOST` hidden units."""
        return float(np.logaddexp.reduce(self._log_weights(self._hidden_states())))

    def log_likelihood(self, v: Array) -> float:
        """The mean of log p(v) over the rows; raises as `log_partition` does."""
        return float(np.mean(-self.free_energy(v))) - self.log_partition()

    def exact_gradient(self, v: Array) -> Weights:
        """The gradient of `log_likelihood`: what the data has, less what the model has; raises as it does.

        d log p / dW = <v h>_data - <v h>_model, and likewise for a and b.
        """
        states = self._hidden_states()
        log_weights = self._log_weights(states)
        p = np.exp(log_weights - np.logaddexp.reduce(log_weights))
        data = self._statistics(v, self.up(v))
        means = self.down(states)
        return Weights(data.W - (means.T * p) @ states, data.a - p @ means, data.b - p @ states)

    def cd_gradient(self, v: Array, k: int, rng: np.random.Generator) -> Weights:
        """Contrastive divergence: the model's part is taken k steps of Gibbs sampling away from the data.

        <v h>_data - <v h>_k; the last hidden units are probabilities, which sampling would only blur.
        """
        h = self.up(v)
        data = self._statistics(v, h)
        for _ in range(k):
            sample = self.sample_visible(self.sample_hidden(h, rng), rng)
            h = self.up(sample)
        return Weights(*map(np.subtract, data, self._statistics(sample, h)))

    def sample_hidden(self, h: Array, rng: np.random.Generator) -> Array:
        """Draw the hidden units from their probabilities."""
        return _draw(h, rng)

    def sample_visible(self, h: Array, rng: np.random.Generator) -> Array:
        """Draw the visible units given h (rows, hidden)."""
        v = self.down(h)
        if self.visible == "binary":
            return _draw(v, rng)
        v += rng.standard_normal(v.shape, v.dtype)
        return v

    def _visible_energy(self, v: Array) -> Array:
        if self.visible == "binary":
            return -(v @ self.a)
        energy: Array = np.square(v - self.a).sum(axis=1) / 2
        return energy

    def _hidden_states(self) -> Array:
        """Every state of the hidden units, (2^hidden, hidden)."""
        units = len(self.b)
        if units > HIDDEN_AT_MOST:
            raise ValueError(f"{units} hidden units have too many states; at most {HIDDEN_AT_MOST} work")
        return (np.arange(2**units)[:, np.newaxis] >> np.arange(units) & 1).astype(self.W.dtype)

    def _log_weights(self, h: Array) -> Array:
        """log sum_v e^-E(v, h) of each row: the visible units summed (integrated) out one by one."""
        z = h @ self.W.T
        each = (
            np.logaddexp(0, z + self.a) if self.visible == "binary" else z * (self.a + z / 2) + HALF_LOG_2PI
        )
        log_weights: Array = h @ self.b + each.sum(axis=1)
        return log_weights

    @staticmethod
    def _statistics(v: Array, h: Array) -> Weights:
        """The means of v h, v and h over the rows."""
        return Weights(v.T @ h / len(v), v.mean(axis=0), h.mean(axis=0))


def _draw(p: Array, rng: np.random.Generator) -> Array:
    """1 with probability p, else 0."""
    return (rng.random(p.shape, p.dtype) < p).astype(p.dtype)


class RbmPretrainingSpec(PretrainingSpec):
    """Starts each dense layer before a sigmoid as a restricted Boltzmann machine, lowest first.

    Contrastive divergence with k steps teaches a machine to make its inputs likely; its hidden
    probabilities are the next machine's inputs. W and the hidden biases are then the dense layer's.
    """

    formula: ClassVar[str] = (
        r"\Delta W = \langle v h \rangle_{data} - \langle v h \rangle_k, \quad "
        r"E(v, h) = -\sum_i a_i v_i - \sum_j b_j h_j - \sum_{ij} v_i w_{ij} h_j"
    )
    source: ClassVar[str] = (
        "Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets; "
        "Hinton 2002, Training products of experts by minimizing contrastive divergence"
    )

    kind: Literal["rbm"] = "rbm"
    k: PositiveInt = Field(
        1, le=1000, description="Steps of Gibbs sampling from the data to the model's side."
    )

    def over(self, weights: Weights, visible: Visible) -> Rbm:
        """A machine with these parameters."""
        return Rbm(weights, visible)

    def gradient(self, layers: TiedLayers, v: Array, rng: np.random.Generator) -> Weights:
        """Contrastive divergence with k steps."""
        assert isinstance(layers, Rbm), "made by `over`"
        return layers.cd_gradient(v, self.k, rng)
