"""Trainings that are all right get no warning: a false alarm is worse than silence."""

import pytest
from doctor.provoked import DIABETES, DIGITS, IRIS, WINE, dense, examined, loaded, rate
from sklearn.datasets import load_breast_cancer

TABLES = {
    "iris": IRIS,
    "wine": WINE,
    "digits": DIGITS,
    "diabetes": DIABETES,
    "breast cancer": loaded(load_breast_cancer),
}
RECIPES = {
    "recommended": {},
    "short": {"epochs": 5},
    "momentum": {"epochs": 30, "optimizer": {**rate("sgd", 0.01), "momentum": 0.9}},
    "without validation": {"epochs": 30, "validation": {"kind": "none"}},
    "mixup": {"epochs": 30, "mixup": 0.4},
    "averaged": {"epochs": 30, "batch_size": 16, "schedule": {"kind": "cosine"}},
}
NETWORKS = {
    "tanh": [dense(32), {"kind": "tanh"}, dense(32), {"kind": "tanh"}, dense()],
    "deep": [dense(64), {"kind": "relu"}] * 5 + [dense()],
    "normalized": [dense(64), {"kind": "batch_normalization"}, {"kind": "relu"}, dense()],
    "dropout": [dense(64), {"kind": "relu"}, {"kind": "dropout", "rate": 0.3}, dense()],
}
TOO_SHORT = {("diabetes", recipe) for recipe in ("short", "without validation", "mixup")}
"""The recommended network takes one step an epoch there: so few steps learn nothing, and that is worth a warning."""
CASES = [
    *((table, recipe, None) for table in TABLES for recipe in RECIPES if (table, recipe) not in TOO_SHORT),
    *((table, "momentum", network) for table in TABLES for network in NETWORKS if table != "digits"),
    *((table, "recommended", network) for table in TABLES for network in NETWORKS if table != "digits"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("table", "recipe", "network"), CASES)
def test_no_warning(table, recipe, network) -> None:
    layers = None if network is None else {"layers": NETWORKS[network]}
    request = {"target": "target", "network": layers, "training": RECIPES[recipe]}
    if table == "digits" and network is None:
        request["quality"] = "fast"
    found, _ = examined(TABLES[table], request)
    assert [(one.subject, one.title) for one in found if one.severity != "info"] == []
