"""How a network's last layer, its loss and its answers are made to belong together."""

from typing import get_args

import pytest

from engine.layers import LayerSpec
from engine.layers.activations.base import IdentitySpec, SigmoidSpec, TanhSpec
from engine.layers.activations.learned import PreluSpec
from engine.layers.activations.rectifiers import LeakyReluSpec, ReluSpec
from engine.layers.activations.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.combinators import SequentialSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.losses import (
    LOSS_SPECS,
    CosineSpec,
    CrossEntropySpec,
    FocalSpec,
    HingeSpec,
    KlDivergenceSpec,
    LogLossSpec,
    LossSpec,
    MseSpec,
    PerceptronLossSpec,
    PoissonSpec,
    QuantileSpec,
)
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
    assert (result.note is None) == (task not in {"ordinal", "count"})
    assert result.network.layers[0].units == OUTPUTS
    assert [layer.kind for layer in result.network.layers[1:]] == ["ordered_logits"] * (task == "ordinal")


def test_ordered_logits_are_put_last_once() -> None:
    """Also in place of a sigmoid, and not again where they are there, as in a network that is trained further."""
    after_sigmoid = head("ordinal", LogLossSpec(), SigmoidSpec())
    assert [layer.kind for layer in after_sigmoid.network.layers] == ["dense", "ordered_logits"]
    assert "works on the logits; a last ordered_logits layer" in after_sigmoid.note
    again = fit_head(after_sigmoid.network, "ordinal", LogLossSpec(), OUTPUTS)
    assert again.network == after_sigmoid.network
    with pytest.raises(InvalidSpec, match="a last relu makes no sense") as error:
        head("ordinal", LogLossSpec(), ReluSpec())
    assert error.value.path == ("layers", 1)


@pytest.mark.parametrize(
    ("task", "loss", "last"),
    [
        ("binary", LogLossSpec(), SigmoidSpec()),
        ("multilabel", LogLossSpec(), SigmoidSpec()),
        ("multiclass", CrossEntropySpec(), SoftmaxSpec()),
        ("multiclass", CrossEntropySpec(label_smoothing=0.1), LogSoftmaxSpec()),
        ("multiclass", KlDivergenceSpec(), SoftmaxSpec()),
        ("multiclass", FocalSpec(), SoftmaxSpec()),
        ("multilabel", FocalSpec(alpha=0.3), SigmoidSpec()),
    ],
)
def test_a_last_activation_that_the_loss_contains_is_the_link(
    task: Task, loss: LossSpec, last: LayerSpec
) -> None:
    result = head(task, loss, last)
    assert [layer.kind for layer in result.network.layers] == ["dense"]
    assert result.link == LINK[task]
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


@pytest.mark.parametrize("task", get_args(Task))
@pytest.mark.parametrize("spec", LOSS_SPECS, ids=lambda spec: spec.model_fields["kind"].default)
def test_a_loss_fits_its_tasks_and_no_others(task: Task, spec: type[LossSpec]) -> None:
    """With the last layer that it needs, if any."""
    loss = spec()
    needed = {"sigmoid": (SigmoidSpec(),), "softmax": (SoftmaxSpec(),)}.get(LINK[task], ())
    after = needed if loss.takes == "answers" else ()
    if task in loss.tasks:
        result = head(task, loss, *after)
        assert result.link == ("exp" if loss.takes == "logarithms" else "identity" if after else LINK[task])
        says_nothing = loss.takes == "logits" or (loss.takes == "answers" and not after)
        assert (result.note is None) == (says_nothing and task != "ordinal")
    else:
        with pytest.raises(InvalidSpec, match=f"{loss.kind} is not a loss for {task}") as caught:
            head(task, loss, *after)
        assert caught.value.path == ("loss",)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("loss", [HingeSpec(), PerceptronLossSpec()], ids=lambda loss: loss.kind)
def test_scores_are_not_probabilities_and_the_plan_says_so(task: Task, loss: LossSpec) -> None:
    result = head(task, loss)
    assert result.link == LINK[task]
    assert "not calibrated" in result.note
    with pytest.raises(InvalidSpec, match="takes scores of any size") as caught:
        head(task, loss, SigmoidSpec())
    assert caught.value.path == ("layers", 1)


def test_logarithms_are_of_any_size() -> None:
    assert "exponential" in head("regression", PoissonSpec(), PreluSpec()).note
    with pytest.raises(InvalidSpec, match="cannot reach every logarithm") as caught:
        head("regression", PoissonSpec(), ReluSpec())
    assert caught.value.path == ("layers", 1)


def test_a_loss_that_cannot_take_the_outputs_is_to_blame() -> None:
    network = NetworkSpec(layers=(DenseSpec(),))
    with pytest.raises(InvalidSpec, match="at least 2 outputs") as caught:
        fit_head(network, "regression", CosineSpec(), outputs=1)
    assert caught.value.path == ("loss",)
    with pytest.raises(InvalidSpec, match="class_weights") as caught:
        head("multiclass", FocalSpec(alpha=0.5))
    assert caught.value.path == ("loss", "alpha")


def test_what_hides_the_last_activation_is_looked_through() -> None:
    within = SequentialSpec(layers=(DenseSpec(units=OUTPUTS), SoftmaxSpec(), FlattenSpec()))
    assert head("multiclass", MseSpec(), within).link == "identity"
    with pytest.raises(InvalidSpec, match="in no other layer") as caught:
        head("multiclass", CrossEntropySpec(), within)
    assert caught.value.path == ("layers", 1, "layers", 1)
    with pytest.raises(InvalidSpec, match="cannot reach every value") as caught:
        head("regression", QuantileSpec(), ReluSpec(), DropoutSpec(), FlattenSpec())
    assert caught.value.path == ("layers", 1)


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
