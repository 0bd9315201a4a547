"""Changes of a running training: when they take effect, what they do, and that a replay is exact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from resumed import Ended, Make, assert_same, maker, stopped, timeless, undisturbed

from engine.checkpoint import load, save
from engine.spec import InvalidSpec
from engine.training import Applied, Changes

RECIPE: dict[str, Any] = {"epochs": 4, "batch_size": 16, "schedule": {"kind": "cosine"}}
BATCHES = 3  # of an epoch, of 48 training rows


def changed(make: Make, asked: Mapping[int, Changes]) -> Ended:
    """A training of which changes are asked after so many yields, 0: before it runs."""
    fitting = make()
    if 0 in asked:
        fitting.change(asked[0])
    points, seen = [], 0
    for seen, sign in enumerate(fitting.run(), 1):
        if sign.point:
            points.append(sign.point)
        if seen in asked:
            fitting.change(asked[seen])
    return Ended(fitting, points, seen)


ASKED = {
    2: Changes(learning_rate=0.05),
    5: Changes(epochs=6),
    7: Changes(patience=2, learning_rate=0.01),
    8: Changes(learning_rate=0.02),  # after an epoch: 4 yields make one
}


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("early_stopping", [{"patience": 1, "min_delta": 0.2}, {"patience": 20}])
def test_a_replay_is_exact(accumulate: int, early_stopping: dict[str, Any]) -> None:
    make = maker({**RECIPE, "accumulate": accumulate, "early_stopping": early_stopping})
    first = changed(make, ASKED)
    assert [changes for _, changes in first.fitting.applied] == list(ASKED.values())
    replay = undisturbed(make, first.fitting.applied)
    assert_same(replay, first)
    assert replay.fitting.applied == first.fitting.applied
    assert undisturbed(make).weights != first.weights


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_a_replay_that_stops_anywhere_is_exact(accumulate: int, tmp_path: Path) -> None:
    make = maker({**RECIPE, "accumulate": accumulate})
    first = changed(make, ASKED)
    for yields in range(1, first.progresses, 2):
        assert_same(stopped(make, tmp_path, yields, changes=first.fitting.applied), first)
    assert_same(stopped(make, tmp_path, 5, 5, changes=first.fitting.applied), first)


def test_they_take_effect_before_the_next_step() -> None:
    fitting = changed(maker(RECIPE), {0: Changes(epochs=5), 2: Changes(learning_rate=0.05)}).fitting
    assert fitting.applied == [Applied(0, Changes(epochs=5)), Applied(2, Changes(learning_rate=0.05))]


def test_a_step_of_several_batches_is_not_torn() -> None:
    fitting = changed(maker({**RECIPE, "accumulate": 2}), {1: Changes(learning_rate=0.05)}).fitting
    assert fitting.applied == [Applied(1, Changes(learning_rate=0.05))]  # the step of batches 1 and 2 is done


def test_the_learning_rate_is_told() -> None:
    make = maker({**RECIPE, "schedule": {"kind": "constant"}})
    points = changed(make, {4: Changes(learning_rate=0.05)}).points
    assert [point.learning_rate for point in points] == [0.001, 0.05, 0.05, 0.05]


def test_more_and_fewer_epochs() -> None:
    assert len(changed(maker(RECIPE), {16: Changes(epochs=7)}).points) == 7  # after the last point
    assert len(changed(maker(RECIPE), {5: Changes(epochs=1)}).points) == 2  # the one that runs is ended


def test_a_patience_that_ends_and_one_that_prolongs() -> None:
    recipe = {
        **RECIPE,
        "early_stopping": {"patience": 20, "min_delta": 1e9},
    }  # the first epoch stays the best
    ended = changed(maker(recipe), {5: Changes(patience=1)})
    assert (len(ended.points), ended.fitting.stopped_early) == (2, True)
    recipe = {**RECIPE, "early_stopping": {"patience": 1, "min_delta": 1e9}}
    prolonged = changed(maker(recipe), {8: Changes(patience=2)})  # when all seems over
    assert (len(prolonged.points), prolonged.fitting.stopped_early) == (3, True)


def test_a_checkpoint_knows_what_was_applied_and_not_what_waits(tmp_path: Path) -> None:
    make = maker(RECIPE)
    fitting = make()
    for seen, _ in enumerate(fitting.run(), 1):
        if seen == 1:
            fitting.change(Changes(learning_rate=0.05))
        if seen == 3:
            fitting.change(Changes(epochs=9))
            break
    save(tmp_path / "stop", fitting.checkpoint())
    after = make()
    points = [sign.point for sign in after.run(load(tmp_path / "stop")[0]) if sign.point]
    assert after.applied == [Applied(1, Changes(learning_rate=0.05))]
    assert len(points) == 4
    expected = changed(make, {1: Changes(learning_rate=0.05)})
    assert list(map(timeless, points)) == list(map(timeless, expected.points))


def test_a_change_that_comes_too_late_is_told(tmp_path: Path) -> None:
    make = maker(RECIPE)
    fitting = make()
    progress = fitting.run()
    for _ in range(5):
        next(progress)
    checkpoint = fitting.checkpoint()
    with pytest.raises(ValueError, match="at step 1 comes too late: 4 steps are done"):
        next(make().run(checkpoint, [(1, Changes(epochs=3))]))


def test_a_patience_without_early_stopping_is_refused() -> None:
    fitting = maker({**RECIPE, "early_stopping": None})()
    for _ in range(2):  # before it runs, and while
        with pytest.raises(InvalidSpec, match="no early stopping") as error:
            fitting.change(Changes(patience=3))
        assert error.value.path == ("patience",)
        next(fitting.run())
