"""Stopping when the validation no longer gets better, with the best weights kept."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from engine.checkpoint import Checkpoint
from engine.network import Network
from engine.spec import Spec
from engine.training.weights_apart import WeightsApart


class EarlyStoppingSpec(Spec):
    """End the training when the validation has not got better for a while; the best weights are kept."""

    source: ClassVar[str] = "Prechelt 1998, Early stopping - but when?"

    patience: PositiveInt = Field(
        20,
        le=1_000_000,
        description="Epochs in a row without a better validation loss after which training ends.",
    )
    min_delta: float = Field(
        0.0, ge=0, description="A validation loss is better if it is lower than the best by more than this."
    )
    monitor: Literal["loss", "error"] = Field(
        "loss",
        description="What is watched. loss: the validation loss; error: the share of wrong answers, or the root of "
        "the mean squared error for numbers.",
    )
    ties: Literal["first", "last"] = Field(
        "first", description="Which of several epochs that are equally good is the best one."
    )


def error_of(metrics: Mapping[str, float]) -> float:
    """The error that the figures of a validation come to: wrong answers, or the RMSE."""
    return 1 - metrics["accuracy"] if "accuracy" in metrics else metrics["rmse"]


class EarlyStopping:
    """Watches the validation, and holds the best weights and the layers' state of their epoch."""

    best_epoch: int | None = None  # 1-based; None before the first epoch
    best_loss: float = math.inf  # or the best error
    patience: int  # may change while training

    def __init__(self, spec: EarlyStoppingSpec, network: Network) -> None:
        self.patience = spec.patience
        self._spec = spec
        self.best = WeightsApart(network)

    def update(self, epoch: int, validation_loss: float, metrics: Mapping[str, float]) -> None:
        """Take note of an epoch's loss and figures, and of the weights if they are better."""
        watched = validation_loss if self._spec.monitor == "loss" else error_of(metrics)
        bar = self.best_loss - self._spec.min_delta
        if self.best_epoch is None or watched < bar or (self._spec.ties == "last" and watched == bar):
            self.best_epoch, self.best_loss = epoch, watched
            self.best.copy_from_network()

    def is_over(self, epoch: int) -> bool:
        """Whether to stop after this epoch."""
        return self.best_epoch is not None and epoch - self.best_epoch >= self.patience

    def checkpoint(self) -> Checkpoint:
        """The best epoch with its weights; the patience is the recipe's, or that of a change."""
        if self.best_epoch is None:
            return Checkpoint(facts={"best_epoch": None})
        facts = {"best_epoch": self.best_epoch, "best_loss": float(self.best_loss)}
        return Checkpoint.of(facts, best=self.best.checkpoint())

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there; raises `CheckpointMismatch` where the weights do not fit."""
        self.best_epoch = checkpoint.facts["best_epoch"]
        if self.best_epoch is not None:
            self.best_loss = checkpoint.facts["best_loss"]
            self.best.resume(checkpoint.part("best"))
