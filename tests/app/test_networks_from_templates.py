"""Templates that know their input: checked as a whole at once, summarised without being told a shape."""

import pytest


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("templates") / "data", memory_budget=4 << 30) as service:
        yield service


def post(running, **template):
    return running.client.post("/v1/networks", json={"name": "of a template", "template": template})


@pytest.mark.parametrize(("groups", "parameters"), [(1, 62_378_344), (2, 60_965_224)])
def test_alexnet_summarises_itself(running, groups, parameters):
    network = post(running, kind="alexnet", groups=groups).json()
    assert network["input_shape"] is None
    path = f"/v1/networks/{network['id']}/summary?outputs=1000"
    for shape in ("", "&input_shape=227x227x3", f"&input_shape={227 * 227 * 3}"):
        summary = running.client.get(path + shape).json()
        assert (summary["parameters"], summary["output_shape"]) == (parameters, [1000])
    refused = running.client.get(path + "&input_shape=224x224x3")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/layers/0")


def test_an_image_that_is_too_small_is_refused_at_once(running):
    refused = post(running, kind="lenet5", input_shape=[4, 4, 1])
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["pointer"] == "/template"
    assert "layer" in error["detail"]


def test_what_no_machine_can_hold_is_refused_at_once(running):
    refused = post(running, kind="lenet5", input_shape=[60_000, 60_000, 1])
    assert refused.status_code == 422
    assert "memory" in refused.json()["detail"]


def test_a_series_of_any_length_waits_for_the_data(running):
    network = post(running, kind="gru", features=2).json()
    path = f"/v1/networks/{network['id']}/summary"
    assert running.client.get(path).status_code == 422
    assert running.client.get(path + "?input_shape=14").json()["layers"][0]["output_shape"] == [7, 2]
    assert running.client.get(path + "?input_shape=15").status_code == 422


def test_a_field_that_is_wrong_for_any_rows_is_refused_at_once(running):
    layers = [
        {"kind": "reshape", "shape": [-1, 2]},
        {"kind": "flatten"},
        {"kind": "dense"},
        {"kind": "dense"},
    ]
    refused = running.client.post("/v1/networks", json={"name": "no units", "layers": layers})
    assert refused.json()["errors"][0]["pointer"] == "/layers/2/units"
