"""What a network is trained to do, and how its last layer, its loss and its answers belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.arrays import Shape
from engine.layers import LayerSpec
from engine.layers.activations.base import SigmoidSpec
from engine.layers.activations.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.combinators import SequentialSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.ordered_logits import OrderedLogitsSpec
from engine.losses import AnyLoss, CrossEntropySpec, LogLossSpec, Loss, MseSpec, PoissonSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec, Path

Task = Literal["binary", "multiclass", "ordinal", "multilabel", "regression", "count", "autoencoding"]
Link = Literal["identity", "sigmoid", "softmax", "exp"]

DEFAULT_LOSS: dict[Task, AnyLoss] = {
    "binary": LogLossSpec(),
    "multiclass": CrossEntropySpec(),
    "ordinal": LogLossSpec(),
    "multilabel": LogLossSpec(),
    "regression": MseSpec(),
    "count": PoissonSpec(),
    "autoencoding": MseSpec(),
}

LINK: dict[Task, Link] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "ordinal": "sigmoid",
    "multilabel": "sigmoid",
    "regression": "identity",
    "count": "exp",
    "autoencoding": "identity",
}
"""What turns a network's outputs into the answer of a task: probabilities, or the values themselves.

With a loss on logarithms it is always "exp".
"""

_LINK_LAYERS: dict[Link, tuple[type[LayerSpec], ...]] = {
    "sigmoid": (SigmoidSpec,),
    "softmax": (SoftmaxSpec, LogSoftmaxSpec),  # the softmax of a log-softmax is the softmax
}
"""The layers that do what a link does."""


@dataclass(frozen=True)
class Head:
    """A network made fit for its loss, and the link that is still to be applied to its outputs."""

    network: NetworkSpec  # resolved, without a last activation that the loss contains
    link: Link
    note: str | None  # what was decided about the last layer and the answers, for the plan


def build_loss(loss: AnyLoss, task: Task, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> Loss:
    """Build `loss` as `task` needs it; raises as `LossSpec.build` does."""
    build = loss.build_for_classes if task == "multiclass" else loss.build
    return build(shape, batch=batch, dtype=dtype)


def fit_head(network: NetworkSpec, task: Task, loss: AnyLoss, outputs: int) -> Head:
    """Resolve `network` for `outputs` and settle its last activation.

    A last softmax or sigmoid that the loss contains is taken as the link: training works on the
    logits before it. With a loss on probabilities it runs as a layer. Raises `InvalidSpec` at
    `layers/<last>` for a last activation that makes no sense under the loss, and at `loss` for a loss
    that fits neither the task nor the outputs.
    """
    _check_loss(loss, task, outputs)
    network = network.resolve(outputs)
    last, place = _last(network.layers)
    if task == "ordinal":
        return _on_ordered(network, loss, last, place)
    try:
        match loss.takes:
            case "logits":
                return _on_logits(network, task, loss, last)
            case "scores":
                return _on_scores(network, task, loss, last)
            case "logarithms":
                return _on_logarithms(network, loss, last)
            case "answers":
                return _on_answers(network, task, loss, last)
    except InvalidSpec as error:
        raise error.under("layers", *place) from None


def _check_loss(loss: AnyLoss, task: Task, outputs: int) -> None:
    if task not in loss.tasks:
        raise InvalidSpec(
            f"{loss.kind} is not a loss for {task}; it is one for {', '.join(sorted(loss.tasks))}. "
            f"Left out, it is {DEFAULT_LOSS[task].kind}",
            ("loss",),
        )
    try:
        build_loss(loss, task, (outputs,), batch=1, dtype=np.dtype(np.float32))
    except InvalidSpec as error:
        raise error.under("loss") from None


def _last(layers: Sequence[LayerSpec]) -> tuple[LayerSpec, Path]:
    """The layer that the outputs come from and its place: in front of dropout and flatten, in a sequential."""
    i = len(layers) - 1
    while i > 0 and isinstance(layers[i], DropoutSpec | FlattenSpec):
        i -= 1
    layer = layers[i]
    if not isinstance(layer, SequentialSpec):
        return layer, (i,)
    inner, place = _last(layer.layers)
    return inner, (i, "layers", *place)


def _bends(last: LayerSpec) -> bool:
    return last.is_activation and last.kind != "identity"


def _on_logits(network: NetworkSpec, task: Task, loss: AnyLoss, last: LayerSpec) -> Head:
    link = LINK[task]
    is_link, hidden = isinstance(last, _LINK_LAYERS[link]), network.layers[-1] is not last
    if is_link and not hidden and len(network.layers) > 1:
        kept = network.model_copy(update={"layers": network.layers[:-1]})
        return Head(kept, link, f"the last {last.kind} is part of {loss.kind}: training works on the logits")
    if _bends(last):
        raise InvalidSpec(
            f"a last {last.kind} makes no sense under {loss.kind}, which takes logits: "
            f"leave it out or end with {link}" + (", in no other layer" if is_link and hidden else "")
        )
    return Head(network, link, None)


def _on_ordered(network: NetworkSpec, loss: AnyLoss, last: LayerSpec, place: Path) -> Head:
    """On logits that an own last layer keeps in order, unless it is there already."""
    if last.kind == OrderedLogitsSpec().kind:
        return Head(network, LINK["ordinal"], None)
    try:
        head = _on_logits(network, "ordinal", loss, last)
    except InvalidSpec as error:
        raise error.under("layers", *place) from None
    ordered = head.network.model_copy(update={"layers": (*head.network.layers, OrderedLogitsSpec())})
    notes = (
        head.note,
        "a last ordered_logits layer keeps the probabilities of the ordered classes consistent",
    )
    return Head(ordered, head.link, "; ".join(filter(None, notes)))


def _on_scores(network: NetworkSpec, task: Task, loss: AnyLoss, last: LayerSpec) -> Head:
    if _bends(last):
        raise InvalidSpec(
            f"a last {last.kind} makes no sense under {loss.kind}, which takes scores of any size: leave it out"
        )
    return Head(
        network,
        LINK[task],
        f"{loss.kind} trains scores, not probabilities: the {LINK[task]} of the scores, which is given as "
        "probabilities, orders them rightly but is not calibrated",
    )


def _on_logarithms(network: NetworkSpec, loss: AnyLoss, last: LayerSpec) -> Head:
    if not last.reaches_all:
        raise InvalidSpec(
            f"a last {last.kind} cannot reach every logarithm of a mean, which {loss.kind} takes: leave it out"
        )
    return Head(
        network, "exp", f"{loss.kind} trains the logarithm of the mean: the answer is its exponential"
    )


def _on_answers(network: NetworkSpec, task: Task, loss: AnyLoss, last: LayerSpec) -> Head:
    link = LINK[task]
    if link != "identity":
        if last.kind != link:
            raise InvalidSpec(
                f"with {loss.kind} as the loss of a {task} task the network must end with {link}, "
                f"so that its outputs are probabilities; {DEFAULT_LOSS[task].kind}, the loss if it is left out, "
                "needs none"
            )
        return Head(
            network, "identity", f"the last {last.kind} runs as a layer: {loss.kind} takes probabilities"
        )
    if not last.reaches_all:
        raise InvalidSpec(
            f"a last {last.kind} cannot reach every value of a standardised target (mean 0, deviation 1): "
            "leave it out"
        )
    return Head(network, "identity", None)
