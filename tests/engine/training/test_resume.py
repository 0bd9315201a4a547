"""A training that stops anywhere and goes on from its file ends with the same bits as one that never stopped."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from resumed import LAYERS, TARGETS, Make, assert_same, maker, stopped, undisturbed

from engine.optimizers import OPTIMIZER_SPECS
from engine.schedules import SCHEDULE_SPECS
from engine.training import shuffling

pytestmark = pytest.mark.slow


def check(make: Make, folder: Path) -> None:
    """Stop after the first yield, the last one and four between, and once twice in a row."""
    whole = undisturbed(make)
    for yields in {int(place) for place in np.linspace(1, whole.progresses, 6)}:
        assert_same(stopped(make, folder, yields), whole)
    assert_same(stopped(make, folder, whole.progresses // 3 + 1, whole.progresses // 3 + 1), whole)


@pytest.mark.parametrize("kind", [spec.model_fields["kind"].default for spec in OPTIMIZER_SPECS])
def test_every_optimizer(kind: str, tmp_path: Path) -> None:
    target = "yes" if kind == "perceptron_rule" else "number"
    check(maker({"epochs": 3, "batch_size": 16, "optimizer": {"kind": kind}}, target), tmp_path)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"kind": "rmsprop", "momentum": 0.9, "centered": True},
        {"kind": "lbfgs", "history": 2, "iterations": 3},
    ],
    ids=lambda optimizer: optimizer["kind"],
)
def test_optimizers_that_remember_more(optimizer: dict[str, Any], tmp_path: Path) -> None:
    check(maker({"epochs": 4, "batch_size": 16, "optimizer": optimizer}), tmp_path)


@pytest.mark.parametrize("kind", [spec.model_fields["kind"].default for spec in SCHEDULE_SPECS])
def test_every_schedule(kind: str, tmp_path: Path) -> None:
    schedules = {
        "warmup": {"epochs": 1, "then": {"kind": "reduce_on_plateau", "patience": 1}},
        "reduce_on_plateau": {"patience": 2, "threshold": 0.9},
    }
    recipe = {"epochs": 5, "batch_size": 32, "schedule": {"kind": kind} | schedules.get(kind, {})}
    check(maker(recipe), tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        {"mixup": 0.4},
        {"accumulate": 2},
        {"weight_average": {}},
        {"weight_average": {"bias_corrected": False}, "early_stopping": None},
        {"clip_norm": 0.5, "clip_value": 0.1},
        {"max_norm": 0.5},
        {"l1": 0.01, "l2": 0.01},
        {"early_stopping": {"patience": 1, "min_delta": 0.5}},
        {"validation": {"kind": "none"}},
        {"rate_factors": {"b": 2.0, "1.W": 0.0}},
        {"row_losses": True},
    ],
    ids="-".join,
)
def test_every_option(option: dict[str, Any], tmp_path: Path) -> None:
    check(maker({"epochs": 4, "batch_size": 12, **option}, network="noisy", weights=True), tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", ["noisy", "members"])
def test_every_metric(target: str, network: str, tmp_path: Path) -> None:
    loss = {"loss": {"kind": "gamma"}} if target == "amount" else {}
    check(maker({"epochs": 2, "batch_size": 16, **loss}, target, network, weights=True), tmp_path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 4 rows, and windows of 12."""
    monkeypatch.setattr(shuffling, "BLOCK_BYTES", 4 * 24)
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 12 * 32)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_shuffled_by_blocks(accumulate: int, small_blocks: None, tmp_path: Path) -> None:
    recipe = {"epochs": 2, "batch_size": 5, "shuffle": "block", "mixup": 0.2, "accumulate": accumulate}
    check(maker(recipe), tmp_path)


def only_sometimes(value: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([{}, value])


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """Any combination of what a recipe has."""
    kind = draw(st.sampled_from([spec.model_fields["kind"].default for spec in OPTIMIZER_SPECS]))
    schedule = draw(st.sampled_from([spec.model_fields["kind"].default for spec in SCHEDULE_SPECS]))
    recipe: dict[str, Any] = {
        "epochs": draw(st.integers(1, 5)),
        "batch_size": draw(st.integers(5, 70)),
        "optimizer": {"kind": kind},
        "schedule": {"kind": schedule},
        "seed": draw(st.integers(0, 100)),
    }
    options: list[dict[str, Any]] = [
        {"weight_average": {"decay": 0.8}},
        {"max_norm": 0.7},
        {"l2": 0.01},
        {"shuffle": "block"},
        {"validation": {"kind": "none"}} if draw(st.booleans()) else {"early_stopping": {"patience": 1}},
    ]
    if kind != "lbfgs":
        options += [{"accumulate": draw(st.integers(2, 4))}, {"mixup": 0.3}, {"clip_norm": 0.5}]
    for option in options:
        recipe |= draw(only_sometimes(option))
    return recipe


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(recipes(), st.sampled_from(sorted(LAYERS)), st.sampled_from(sorted(TARGETS)), st.booleans(), st.data())
def test_any_recipe(
    recipe: dict[str, Any], network: str, target: str, weights: bool, data: st.DataObject
) -> None:
    """Stopped at any yield, and once more at any later one."""
    if recipe["optimizer"]["kind"] == "perceptron_rule":
        target, network = "yes", "plain"
    make = maker(recipe, target, network, weights=weights)
    whole = undisturbed(make)
    first = data.draw(st.integers(1, whole.progresses))
    second = data.draw(st.integers(1, max(1, whole.progresses - first)))
    note(f"stops after {first} and {second} of {whole.progresses}")
    with TemporaryDirectory() as folder:
        assert_same(stopped(make, Path(folder), first), whole)
        assert_same(stopped(make, Path(folder), first, second), whole)
