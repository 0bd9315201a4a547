"""The catalog: complete, and true to the specs."""

import numpy as np
import pytest

from engine.catalog import Catalog, Entry, Parameter, catalog
from engine.explaining import EXPLANATION_SPECS
from engine.initializers import INITIALIZER_SPECS
from engine.layers import LAYER_SPECS
from engine.losses import LOSS_SPECS
from engine.optimizers import OPTIMIZER_SPECS
from engine.pretraining import PRETRAINING_SPECS
from engine.schedules import SCHEDULE_SPECS
from engine.templates import TEMPLATE_SPECS

ENTRIES = {
    f"{group}/{entry.kind}": entry
    for group in Catalog.model_fields
    if group != "findings"
    for entry in getattr(catalog(), group)
}
WITHOUT_SOURCE = {  # nobody's invention
    "layers/flatten",
    "layers/permute",
    "layers/reshape",
    "schedules/constant",
    "schedules/exponential",
}

each_entry = pytest.mark.parametrize("name", ENTRIES)


def test_every_spec_is_there_once() -> None:
    specs = (
        *LAYER_SPECS,
        *LOSS_SPECS,
        *OPTIMIZER_SPECS,
        *SCHEDULE_SPECS,
        *INITIALIZER_SPECS,
        *TEMPLATE_SPECS,
        *PRETRAINING_SPECS,
    )
    kinds = [spec.model_fields["kind"].default for spec in specs]
    kinds += [spec.model_fields["method"].default for spec in EXPLANATION_SPECS]
    assert sorted(entry.kind for entry in ENTRIES.values()) == sorted(kinds)


@each_entry
def test_entry_is_complete(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.summary.endswith(".")
    assert entry.formula
    assert entry.source or name in WITHOUT_SOURCE
    for parameter in entry.parameters:
        assert parameter.description.endswith("."), parameter.name


@each_entry
def test_bounds_are_told(name: str) -> None:
    """Every number has a smallest value, and every default is allowed."""
    for parameter in ENTRIES[name].parameters:
        if parameter.type in {"integer", "number"}:
            assert parameter.minimum is not None, parameter.name
            assert parameter.default is None or np.min(parameter.default) >= parameter.minimum, parameter.name


def parameter_of(entry: Entry, name: str) -> Parameter:
    return next(parameter for parameter in entry.parameters if parameter.name == name)


def test_parameters_by_hand() -> None:
    """One of each type, as the specs have it."""
    dense, mlp = ENTRIES["layers/dense"], ENTRIES["templates/mlp"]
    assert parameter_of(dense, "units").model_dump(exclude={"description"}) == {
        "name": "units",
        "type": "integer",
        "nullable": True,
        "required": False,
        "default": None,
        "minimum": 0,
        "exclusive_minimum": True,
        "maximum": None,
        "exclusive_maximum": False,
        "choices": None,
    }
    start = parameter_of(dense, "bias_initializer")
    assert (start.type, start.default) == ("object", {"kind": "zeros"})
    assert set(start.choices) == {spec.model_fields["kind"].default for spec in INITIALIZER_SPECS}
    hidden = parameter_of(mlp, "hidden")
    assert (hidden.type, hidden.default, hidden.minimum) == ("array", [64, 64], 0)
    activation = parameter_of(mlp, "activation")
    assert (activation.type, activation.default) == ("string", "relu")
    assert set(activation.choices) == {entry.kind for entry in catalog().activations}
    dropout = parameter_of(mlp, "dropout")
    assert (dropout.minimum, dropout.exclusive_minimum) == (0, False)
    assert (dropout.maximum, dropout.exclusive_maximum) == (1, True)


def test_json_round_trip() -> None:
    assert Catalog.model_validate_json(catalog().model_dump_json()) == catalog()
