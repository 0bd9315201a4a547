"""Stopping when the validation loss no longer falls, with the best weights kept."""

import math
from typing import ClassVar

from pydantic import Field, PositiveInt

from engine.network import Network
from engine.spec import Spec


class EarlyStoppingSpec(Spec):
    """End the training when the validation loss has not fallen for a while; the best weights are kept."""

    source: ClassVar[str] = "Prechelt 1998, Early stopping - but when?"

    patience: PositiveInt = Field(
        20,
        le=1_000_000,
        description="Epochs in a row without a better validation loss after which training ends.",
    )
    min_delta: float = Field(
        0.0, ge=0, description="A validation loss is better if it is lower than the best by more than this."
    )


class EarlyStopping:
    """Watches the validation loss, and holds the best weights and the layers' state of their epoch."""

    best_epoch: int | None = None  # 1-based; None before the first epoch
    best_loss: float = math.inf

    def __init__(self, spec: EarlyStoppingSpec, network: Network) -> None:
        self._spec = spec
        self._network = network
        self._theta = network.theta.copy()
        self._state = network.state.copy()

    def update(self, epoch: int, validation_loss: float) -> bool:
        """Take note of an epoch's loss, and of the weights if it is better; returns whether to stop."""
        if self.best_epoch is None or validation_loss < self.best_loss - self._spec.min_delta:
            self.best_epoch, self.best_loss = epoch, validation_loss
            self._theta[:] = self._network.theta
            self._state[:] = self._network.state
        return epoch - self.best_epoch >= self._spec.patience

    def restore(self) -> None:
        """Give the network its best weights and their state back."""
        if self.best_epoch is not None:
            self._network.theta[:] = self._theta
            self._network.state[:] = self._state
