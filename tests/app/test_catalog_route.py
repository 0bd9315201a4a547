"""The catalog over HTTP."""

import pytest
from layer_cases import all_cases

from engine.layers import LAYER_SPECS
from engine.losses import LOSS_SPECS
from engine.optimizers import OPTIMIZER_SPECS
from engine.pretraining import PRETRAINING_SPECS
from engine.schedules import SCHEDULE_SPECS
from engine.templates import TEMPLATE_SPECS


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def catalog(service):
    response = service.client.get("/v1/catalog")
    assert response.status_code == 200
    return response.json()


def test_everything_that_there_is_stands_in_it(catalog) -> None:
    for group, specs in [
        ("layers", [spec for spec in LAYER_SPECS if not spec.is_activation]),
        ("activations", [spec for spec in LAYER_SPECS if spec.is_activation]),
        ("losses", LOSS_SPECS),
        ("optimizers", OPTIMIZER_SPECS),
        ("schedules", SCHEDULE_SPECS),
        ("templates", TEMPLATE_SPECS),
        ("pretraining", PRETRAINING_SPECS),
    ]:
        kinds = {spec.model_fields["kind"].default for spec in specs}
        assert {entry["kind"] for entry in catalog[group]} == kinds
    assert catalog["initializers"]


def test_an_entry_says_what_a_form_needs(catalog) -> None:
    [dropout] = [entry for entry in catalog["layers"] if entry["kind"] == "dropout"]
    [rate] = dropout["parameters"]
    assert dropout["formula"]
    assert rate["name"] == "rate"
    assert rate["description"]
    assert rate["minimum"] == 0


def test_every_layer_of_the_catalog_can_be_used(service, catalog) -> None:
    """With the first of the engine's own cases for it."""
    cases = {case.spec.kind: case for case in reversed(all_cases())}
    assert {entry["kind"] for entry in catalog["layers"] + catalog["activations"]} == cases.keys()
    for kind, case in cases.items():
        layers = [case.spec.model_dump(mode="json"), {"kind": "flatten"}, {"kind": "dense"}]
        body = {"name": kind, "layers": layers, "input_shape": case.in_shape}
        response = service.client.post("/v1/networks", json=body)
        assert response.status_code == 201, response.text
