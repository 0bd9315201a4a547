"""What a network is trained to do, and how its last layer, its loss and its answers belong together."""

from dataclasses import dataclass
from typing import Literal

from engine.layers.activations import SigmoidSpec
from engine.layers.softmax import SoftmaxSpec
from engine.losses import AnyLoss, CrossEntropySpec, LogLossSpec, MseSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec

Task = Literal["binary", "multiclass", "multilabel", "regression", "autoencoding"]
Link = Literal["identity", "sigmoid", "softmax"]

DEFAULT_LOSS: dict[Task, AnyLoss] = {
    "binary": LogLossSpec(),
    "multiclass": CrossEntropySpec(),
    "multilabel": LogLossSpec(),
    "regression": MseSpec(),
    "autoencoding": MseSpec(),
}

LINK: dict[Task, Link] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "multilabel": "sigmoid",
    "regression": "identity",
    "autoencoding": "identity",
}
"""What turns a network's outputs into the answer of a task: probabilities, or the values themselves."""

_LINK_LAYER = {"sigmoid": SigmoidSpec, "softmax": SoftmaxSpec}


@dataclass(frozen=True)
class Head:
    """A network made fit for its loss, and the link that is still to be applied to its outputs."""

    network: NetworkSpec  # resolved, without a last activation that the loss contains
    link: Link
    note: str | None  # what was decided about the last layer, for the plan


def fit_head(network: NetworkSpec, task: Task, loss: AnyLoss, outputs: int) -> Head:
    """Resolve `network` for `outputs` and settle its last activation.

    A last softmax or sigmoid that the loss contains is taken as the link: training works on the
    logits before it. With another loss it runs as a layer. Raises `InvalidSpec` at `layers/<last>`
    for a last activation that makes no sense under the loss, and at `loss` for a loss that does not
    fit the task.
    """
    if task not in loss.tasks:
        raise InvalidSpec(
            f"{loss.kind} is not a loss for {task}; it is one for {', '.join(sorted(loss.tasks))}", ("loss",)
        )
    network = network.resolve(outputs)
    last = network.layers[-1]
    expected = _LINK_LAYER.get(LINK[task])
    at_last = ("layers", len(network.layers) - 1)
    if loss.takes_logits:
        if expected is not None and isinstance(last, expected) and len(network.layers) > 1:
            kept = network.model_copy(update={"layers": network.layers[:-1]})
            return Head(
                kept, LINK[task], f"the last {last.kind} is part of {loss.kind}: training works on the logits"
            )
        if last.is_activation and last.kind != "identity":
            raise InvalidSpec(
                f"a last {last.kind} makes no sense under {loss.kind}, which takes logits: "
                f"leave it out or end with {LINK[task]}",
                at_last,
            )
        return Head(network, LINK[task], None)
    if expected is not None:
        if not isinstance(last, expected):
            raise InvalidSpec(
                f"with {loss.kind} as the loss of a {task} task the network must end with {LINK[task]}, "
                "so that its outputs are probabilities",
                at_last,
            )
        return Head(
            network, "identity", f"the last {last.kind} runs as a layer: {loss.kind} takes probabilities"
        )
    if not last.reaches_all:
        raise InvalidSpec(
            f"a last {last.kind} cannot reach every value of a standardised target (mean 0, deviation 1): "
            "leave it out",
            at_last,
        )
    return Head(network, "identity", None)
