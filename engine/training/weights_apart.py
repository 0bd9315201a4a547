"""A second set of a network's weights: the best ones, or their average."""

from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from engine.checkpoint import Checkpoint
from engine.network import Network
from engine.optimizers import BLOCK


class Pair(NamedTuple):
    """A block of the network's numbers and of those apart."""

    mine: Array  # the network's
    apart: Array
    work: Array  # scratch


class WeightsApart:
    """Parameters and the layers' state beside those that the network has; at first the same."""

    in_network: bool = False  # whether the network has them, and its own are here

    def __init__(self, network: Network) -> None:
        self._network = network
        self.theta, self.state = network.theta.copy(), network.state.copy()
        work = np.empty(min(BLOCK, max(self.theta.size, self.state.size)), network.dtype)
        self.pairs = [
            Pair(mine[start : start + BLOCK], apart[start : start + BLOCK], work[: len(mine) - start])
            for mine, apart in ((network.theta, self.theta), (network.state, self.state))
            for start in range(0, len(mine), BLOCK)
        ]

    def copy_from_network(self) -> None:
        """Hold what the network has now."""
        for mine, apart, _ in self.pairs:
            np.copyto(apart, mine)

    def swap(self) -> None:
        """Let the network have these and hold its own, or the other way round."""
        self.in_network = not self.in_network
        for mine, apart, work in self.pairs:
            np.copyto(work, mine)
            np.copyto(mine, apart)
            np.copyto(apart, work)

    def checkpoint(self) -> Checkpoint:
        """The weights apart, wherever they are."""
        at = self._network if self.in_network else self
        return Checkpoint({"theta": at.theta, "state": at.state})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Hold these; raises `CheckpointMismatch` where they do not fit."""
        checkpoint.fill(theta=self.theta, state=self.state)
