"""Going on with a training that has ended, and from a model's weights; and what belongs to another training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumed import LAYERS, TABLE, TARGETS, Ended, Make, assert_same, maker, timeless, undisturbed

from engine.checkpoint import CheckpointMismatch, load, save
from engine.fitting import Fitting
from engine.goal import GoalSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.training import Changes, NoValidation, Progress, TrainingSpec


def continued(make: Make, ended: Ended, changes: Changes, folder: Path) -> Ended:
    """A new training that goes on from the last checkpoint of one that has ended."""
    save(folder / "final", ended.fitting.checkpoint())
    fitting = make()
    fitting.change(changes)
    progress: list[Progress] = list(fitting.run(load(folder / "final")[0]))
    return Ended(
        fitting,
        ended.points + [sign.point for sign in progress if sign.point],
        ended.progresses + len(progress),
    )


@pytest.mark.parametrize(
    "option",
    [
        {},
        {"early_stopping": None},
        {"weight_average": {"decay": 0.8}},
        {"weight_average": {"decay": 0.8}, "validation": {"kind": "none"}},
        {"schedule": {"kind": "reduce_on_plateau", "patience": 1}, "mixup": 0.3},
        {"optimizer": {"kind": "lbfgs"}},
    ],
    ids=str,
)
def test_more_epochs_as_if_it_had_been_longer(option: dict[str, Any], tmp_path: Path) -> None:
    short, long = (maker({"epochs": epochs, "batch_size": 16, **option}) for epochs in (3, 8))
    whole = undisturbed(long)
    for make in (short, long):  # the recipe's own epochs may be the old ones or the new ones
        more = continued(make, undisturbed(short), Changes(epochs=8), tmp_path)
        assert more.weights == whole.weights
        assert list(map(timeless, more.points)) == list(map(timeless, whole.points))
        assert more.fitting.best_epoch == whole.fitting.best_epoch


def test_it_goes_on_from_the_last_weights_and_not_from_the_best(tmp_path: Path) -> None:
    """The learning rate is too high on purpose: the last epoch is not the best."""
    recipe = {
        "batch_size": 16,
        "optimizer": {"kind": "adam", "learning_rate": 0.5},
        "early_stopping": {"patience": 100},
        "seed": 3,
    }
    short, long = (maker({"epochs": epochs, **recipe}) for epochs in (6, 9))
    ended = undisturbed(short)
    assert ended.fitting.best_epoch is not None
    assert ended.fitting.best_epoch < 6
    final = ended.fitting.checkpoint()
    assert final.arrays["stopping.best.theta"].tobytes() == ended.fitting.model.theta.tobytes()
    assert final.arrays["network.theta"].tobytes() != ended.fitting.model.theta.tobytes()
    assert continued(short, ended, Changes(epochs=9), tmp_path).weights == undisturbed(long).weights


def test_early_stopping_has_the_last_word_unless_patience_grows(tmp_path: Path) -> None:
    recipe = {"epochs": 9, "batch_size": 16, "early_stopping": {"patience": 2, "min_delta": 1e9}}
    make = maker(recipe)
    ended = undisturbed(make)
    assert (len(ended.points), ended.fitting.stopped_early) == (3, True)
    assert len(continued(make, ended, Changes(epochs=20), tmp_path).points) == 3
    assert len(continued(make, ended, Changes(epochs=20, patience=5), tmp_path).points) == 6


def test_with_another_learning_rate(tmp_path: Path) -> None:
    make = maker({"epochs": 3, "batch_size": 16})
    ended = undisturbed(make)
    more = continued(make, ended, Changes(epochs=5, learning_rate=0.1), tmp_path)
    assert [point.learning_rate for point in more.points] == [0.001] * 3 + [0.1] * 2
    replay = make()
    for _ in replay.run(load(tmp_path / "final")[0], more.fitting.applied):
        pass
    assert replay.weights_sha256() == more.weights


def test_seconds_go_on(tmp_path: Path) -> None:
    make = maker({"epochs": 2, "batch_size": 16})
    ended = undisturbed(make)
    checkpoint = ended.fitting.checkpoint()
    assert checkpoint.facts["seconds"] >= ended.points[-1].seconds
    late = checkpoint.facts | {"seconds": 1000.0}
    fitting = make()
    fitting.change(Changes(epochs=3))
    progress = list(fitting.run(type(checkpoint)(checkpoint.arrays, late)))
    assert 1000 < progress[-1].point.seconds < 1100


def test_what_a_caller_reads() -> None:
    fitting = maker({"epochs": 2, "batch_size": 16, "accumulate": 2})()
    told = []
    for _ in fitting.run():
        facts = fitting.checkpoint().facts
        told.append([facts[name] for name in ("epoch", "epochs_done", "batches_done", "step")])
    assert told == [
        *([1, 0, 1, 0], [1, 0, 2, 1], [1, 0, 3, 1], [1, 1, 0, 2]),
        *([2, 1, 1, 2], [2, 1, 2, 3], [2, 1, 3, 3], [2, 2, 0, 4]),
    ]


def test_a_copy_holds_when_the_training_goes_on() -> None:
    fitting = maker({"epochs": 2, "batch_size": 16})()
    run = fitting.run()
    next(run)
    view, copy = fitting.checkpoint(), fitting.checkpoint().copy()
    before = fitting.network.theta.tobytes()
    next(run)
    assert copy.arrays["network.theta"].tobytes() == before
    assert view.arrays["network.theta"].tobytes() == fitting.network.theta.tobytes() != before


@pytest.mark.parametrize(
    ("other", "network", "message"),
    [
        ({"batch_size": 8}, "plain", "recipe: there /batch_size is 16, not 8"),
        ({"seed": 4}, "plain", "recipe: there /seed is 0, not 4"),
        ({"optimizer": {"kind": "sgd"}}, "plain", "recipe: there /optimizer"),
        ({"weight_average": {}}, "plain", "recipe: there /weight_average is null"),
        ({"early_stopping": None}, "plain", "recipe: there /early_stopping"),
        ({}, "noisy", "network: there /spec/layers has 3 entries, not 7"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    other: dict[str, Any], network: str, message: str
) -> None:
    recipe = {"epochs": 2, "batch_size": 16}
    checkpoint = undisturbed(maker(recipe)).fitting.checkpoint()
    with pytest.raises(CheckpointMismatch, match=message):
        next(maker(recipe | other, network=network)().run(checkpoint))


def test_a_checkpoint_of_other_rows_is_refused() -> None:
    recipe = {"epochs": 2, "batch_size": 16}
    checkpoint = undisturbed(maker(recipe)).fitting.checkpoint()
    checkpoint.facts["rows"] = 47
    with pytest.raises(CheckpointMismatch, match="on 47 rows, but here are 48"):
        next(maker(recipe)().run(checkpoint))


def test_one_activation_makes_another_network() -> None:
    layers = [{"kind": "dense", "units": 5}, {"kind": "tanh"}, {"kind": "dense"}]
    network = NetworkSpec.model_validate({"layers": layers})
    recipe = TrainingSpec(epochs=2, batch_size=16)
    goal = GoalSpec(target="number", task="regression", features=["a", "b", "c"])
    checkpoint = undisturbed(maker({"epochs": 2, "batch_size": 16})).fitting.checkpoint()
    with pytest.raises(CheckpointMismatch, match='there /spec/layers/1/kind is "relu", not "tanh"'):
        next(Fitting(TABLE, goal, network, recipe).run(checkpoint))


def started(start: Model, target: str = "number", network: str | None = None, **recipe: Any) -> Fitting:
    goal = GoalSpec(target=target, task=TARGETS[target], features=["a", "b", "c"])
    layers = None if network is None else NetworkSpec.model_validate({"layers": LAYERS[network]})
    return Fitting(TABLE, goal, layers, TrainingSpec(validation=NoValidation(), **recipe), start=start)


@pytest.mark.parametrize("target", ["number", "kind", "yes"])
@pytest.mark.parametrize("named", [False, True])
def test_weights_from_a_model(target: str, named: bool) -> None:
    model = undisturbed(maker({"epochs": 2}, target, "noisy")).fitting.model
    frozen = started(model, target, "noisy" if named else None, epochs=1, rate_factors={"b": 0.0, "W": 0.0})
    assert frozen.network_spec == model.network
    for _ in frozen.run():
        break
    matrices = np.concatenate([frozen.network.theta[s.slice] for s in frozen.network.segments if s.decay])
    theirs = np.concatenate([model.theta[s.slice] for s in frozen.network.segments if s.decay])
    assert matrices.tobytes() == theirs.tobytes()
    trained = started(model, target, epochs=2)
    for _ in trained.run():
        pass
    assert trained.weights_sha256() != frozen.weights_sha256()


def test_a_start_from_a_model_goes_on_bit_by_bit(tmp_path: Path) -> None:
    model = undisturbed(maker({"epochs": 2}, network="noisy")).fitting.model

    def make() -> Fitting:
        return started(model, epochs=2, batch_size=16)

    whole = undisturbed(make)
    fitting = make()
    progress = fitting.run()
    for _ in range(2):
        next(progress)
    save(tmp_path / "stop", fitting.checkpoint())
    after = make()
    points = [sign.point for sign in after.run(load(tmp_path / "stop")[0]) if sign.point]
    assert_same(Ended(after, points, whole.progresses), whole)


@pytest.mark.parametrize(
    ("target", "network", "recipe", "path", "message"),
    [
        ("kind", None, {}, ("start_from",), "gives 1 outputs, but this training has 3"),
        ("number", "noisy", {}, ("start_from",), "another network, whose /layers has 3 entries, not 7"),
        ("number", None, {"pretraining": {"kind": "rbm"}}, ("training", "pretraining"), "come from a model"),
    ],
)
def test_a_model_that_does_not_fit(
    target: str, network: str | None, recipe: dict[str, Any], path: tuple[str, ...], message: str
) -> None:
    model = undisturbed(maker({"epochs": 1})).fitting.model
    with pytest.raises(InvalidSpec, match=message) as error:
        started(model, target, network, **recipe)
    assert error.value.path == path


def test_a_model_of_other_columns_does_not_fit() -> None:
    model = undisturbed(maker({"epochs": 1})).fitting.model
    goal = GoalSpec(target="number", task="regression", features=["a", "b"])
    with pytest.raises(InvalidSpec, match="takes 5 encoded inputs, but this training has 2"):
        Fitting(TABLE, goal, start=model)
