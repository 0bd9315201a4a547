"""The doctor looks and does not touch."""

import pytest
from doctor.provoked import IRIS, examined

from engine.fitting import Fitting
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import TrainingSpec

RECIPES = {
    "recommended": {},
    "without validation": {"validation": {"kind": "none"}},
    "accumulated": {"accumulate": 3, "clip_norm": 0.5},
    "averaged": {"weight_average": {}},
    "lbfgs": {"optimizer": {"kind": "lbfgs"}},
    "rprop": {"optimizer": {"kind": "rprop"}, "batch_size": 200},
    "mixup": {"mixup": 0.3},
}
LAYERS = [
    {"kind": "dense", "units": 8},
    {"kind": "batch_normalization"},
    {"kind": "relu"},
    {"kind": "gaussian_noise"},
    {"kind": "residual", "layers": [{"kind": "dense", "units": 8}, {"kind": "tanh"}, {"kind": "dropout"}]},
    {"kind": "dense"},
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_bits_are_those_without_a_doctor(recipe) -> None:
    layers = [
        layer for layer in LAYERS if recipe != "lbfgs" or layer["kind"] not in {"gaussian_noise", "residual"}
    ]
    training = {"epochs": 9, **RECIPES[recipe]}
    _, looked_at = examined(IRIS, {"target": "target", "network": {"layers": layers}, "training": training})
    alone = Fitting(
        IRIS,
        GoalSpec(target="target"),
        NetworkSpec.model_validate({"layers": layers}),
        TrainingSpec.model_validate(training),
    )
    for _ in alone.run():
        pass
    assert looked_at.weights_sha256() == alone.weights_sha256()
