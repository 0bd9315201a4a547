"""How a network's last layer, its loss and its answers are made to belong together."""

from typing import get_args

import pytest

from engine.layers import LayerSpec
from engine.layers.activations import IdentitySpec, SigmoidSpec, TanhSpec
from engine.layers.dense import DenseSpec
from engine.layers.rectifiers import LeakyReluSpec, ReluSpec
from engine.layers.softmax import SoftmaxSpec
from engine.losses import CrossEntropySpec, LogLossSpec, LossSpec, MseSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.tasks import DEFAULT_LOSS, LINK, Head, Task, fit_head

OUTPUTS = 3


def head(task: Task, loss: LossSpec, *after: LayerSpec) -> Head:
    """The head of a dense layer and what comes after it."""
    return fit_head(NetworkSpec(layers=(DenseSpec(), *after)), task, loss, OUTPUTS)


@pytest.mark.parametrize("task", get_args(Task))
def test_defaults_fit(task: Task) -> None:
    """Without a last activation every task works, on logits where its loss takes them."""
    result = head(task, DEFAULT_LOSS[task])
    assert result.link == LINK[task]
    assert result.note is None
    assert result.network.layers[-1].units == OUTPUTS


@pytest.mark.parametrize(
    ("task", "loss", "last"),
    [
        ("binary", LogLossSpec(), SigmoidSpec()),
        ("multilabel", LogLossSpec(), SigmoidSpec()),
        ("multiclass", CrossEntropySpec(), SoftmaxSpec()),
    ],
)
def test_a_last_activation_that_the_loss_contains_is_the_link(
    task: Task, loss: LossSpec, last: LayerSpec
) -> None:
    result = head(task, loss, last)
    assert [layer.kind for layer in result.network.layers] == ["dense"]
    assert result.link == last.kind
    assert f"the last {last.kind} is part of {loss.kind}" in result.note


def test_the_start_before_a_link_is_the_link_s() -> None:
    """The dense layer's start is decided with the softmax still there."""
    start = head("multiclass", CrossEntropySpec(), SoftmaxSpec()).network.layers[0].weight_initializer
    assert start == SoftmaxSpec.initializer_before


@pytest.mark.parametrize(
    ("task", "last"),
    [("binary", SigmoidSpec()), ("multilabel", SigmoidSpec()), ("multiclass", SoftmaxSpec())],
)
def test_under_another_loss_it_runs_as_a_layer(task: Task, last: LayerSpec) -> None:
    result = head(task, MseSpec(), last)
    assert [layer.kind for layer in result.network.layers] == ["dense", last.kind]
    assert result.link == "identity"
    assert "runs as a layer" in result.note


def test_a_link_alone_is_no_network() -> None:
    with pytest.raises(InvalidSpec) as caught:
        fit_head(NetworkSpec(layers=(SoftmaxSpec(),)), "multiclass", CrossEntropySpec(), OUTPUTS)
    assert caught.value.path == ("layers", 0)


def test_a_last_identity_stays() -> None:
    assert head("multiclass", CrossEntropySpec(), IdentitySpec()).link == "softmax"
    assert head("regression", MseSpec(), LeakyReluSpec()).link == "identity"


@pytest.mark.parametrize(
    ("task", "loss", "after", "path", "says"),
    [
        ("regression", CrossEntropySpec(), (), ("loss",), "cross_entropy is not a loss for regression"),
        ("multiclass", LogLossSpec(), (), ("loss",), "it is one for binary, multilabel"),
        ("multiclass", CrossEntropySpec(), (ReluSpec(),), ("layers", 1), "leave it out or end with softmax"),
        ("multiclass", CrossEntropySpec(), (SigmoidSpec(),), ("layers", 1), "a last sigmoid makes no sense"),
        ("binary", LogLossSpec(), (SoftmaxSpec(),), ("layers", 1), "leave it out or end with sigmoid"),
        ("binary", MseSpec(), (), ("layers", 0), "must end with sigmoid"),
        ("multiclass", MseSpec(), (SigmoidSpec(),), ("layers", 1), "must end with softmax"),
        ("regression", MseSpec(), (TanhSpec(),), ("layers", 1), "cannot reach every value"),
        ("autoencoding", MseSpec(), (ReluSpec(),), ("layers", 1), "cannot reach every value"),
    ],
)
def test_what_does_not_fit_is_named(
    task: Task, loss: LossSpec, after: tuple[LayerSpec, ...], path: tuple[str | int, ...], says: str
) -> None:
    with pytest.raises(InvalidSpec, match=says) as caught:
        head(task, loss, *after)
    assert caught.value.path == path
