"""Networks over HTTP."""

from typing import Any

import pytest

from app.networks.schemas import EXAMPLES
from app.networks.service import get_spec
from app.problems import NotFound
from engine.network import NetworkSpec


@pytest.fixture(scope="module")
def shared(start_service, tmp_path_factory):
    """One service for all tests that leave nothing behind or do not mind what others left."""
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


DENSE = {"kind": "dense", "units": 8}
HUGE = 10**390


def create(service, **body: Any) -> dict[str, Any]:
    response = service.client.post("/v1/networks", json={"name": "net", **body})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/v1/networks/{response.json()['id']}"
    return response.json()


def refused(service, body: dict[str, Any]) -> dict[str, Any]:
    before = service.client.get("/v1/networks").json()
    response = service.client.post("/v1/networks", json=body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert service.client.get("/v1/networks").json() == before
    return response.json()


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_the_documented_examples_work(shared, example) -> None:
    network = create(shared, **example["value"])
    assert shared.client.get(f"/v1/networks/{network['id']}").json() == network


def test_a_network_is_kept_with_every_field(shared) -> None:
    network = create(shared, layers=[DENSE, {"kind": "relu"}, {"kind": "dense"}], input_shape=[4])
    assert network["template"] is None
    assert network["input_shape"] == [4]
    assert network["created_at"].endswith("Z")
    assert [layer["kind"] for layer in network["layers"]] == ["dense", "relu", "dense"]
    assert network["layers"][0] == DENSE | {
        "bias": True,
        "parametrization": "standard",
        "start": "drawn",
        "weight_initializer": None,
        "bias_initializer": {"kind": "zeros"},
    }


def test_a_template_is_kept_and_written_out(shared) -> None:
    network = create(shared, template={"kind": "mlp", "hidden": [5, 3], "activation": "tanh"})
    assert network["template"] == {"kind": "mlp", "hidden": [5, 3], "activation": "tanh", "dropout": 0.0}
    assert [layer["kind"] for layer in network["layers"]] == ["dense", "tanh", "dense", "tanh", "dense"]


def test_jobs_get_the_spec(shared) -> None:
    network = create(shared, layers=[DENSE, {"kind": "dense"}])
    with shared.context.database.read() as session:
        spec = get_spec(session, network["id"])
        with pytest.raises(NotFound):
            get_spec(session, "net_none")
    assert spec == NetworkSpec.model_validate({"layers": network["layers"]})


MALFORMED: dict[str, tuple[dict[str, Any], str, str]] = {
    "neither": ({"name": "n"}, "/layers", "layers or a template"),
    "both": ({"name": "n", "layers": [DENSE], "template": {"kind": "mlp"}}, "/template", "not both"),
    "no name": ({"layers": [DENSE]}, "/name", "required"),
    "empty name": ({"name": "", "layers": [DENSE]}, "/name", "at least 1"),
    "control character": ({"name": "a\nb", "layers": [DENSE]}, "/name", "control characters"),
    "long name": ({"name": "n" * 201, "layers": [DENSE]}, "/name", "at most 200"),
    "unknown field": ({"name": "n", "layers": [DENSE], "x": 1}, "/x", "unknown field"),
    "no layers": ({"name": "n", "layers": []}, "/layers", "at least 1"),
    "too many layers": ({"name": "n", "layers": [{"kind": "relu"}] * 1001}, "/layers", "at most 1000"),
    "unknown kind": ({"name": "n", "layers": [{"kind": "conv9d"}]}, "/layers/0/kind", "dense"),
    "no kind": ({"name": "n", "layers": [{}]}, "/layers/0/kind", "kind"),
    "unknown template": ({"name": "n", "template": {"kind": "alexnet9"}}, "/template/kind", "mlp"),
    "no units": (
        {"name": "n", "layers": [{"kind": "dense", "units": 0}]},
        "/layers/0/units",
        "greater than 0",
    ),
    "text": ({"name": "n", "layers": [{"kind": "dense", "units": "many"}]}, "/layers/0/units", "integer"),
    "unknown field of a layer": (
        {"name": "n", "layers": [{"kind": "dense", "unit": 3}]},
        "/layers/0/unit",
        "unknown field",
    ),
    "initializer": (
        {"name": "n", "layers": [DENSE | {"weight_initializer": {"kind": "normal", "std": -1}}]},
        "/layers/0/weight_initializer/std",
        "greater than",
    ),
    "shape of zero": (
        {"name": "n", "layers": [DENSE], "input_shape": [0]},
        "/input_shape/0",
        "greater than 0",
    ),
    "empty shape": ({"name": "n", "layers": [DENSE], "input_shape": []}, "/input_shape", "at least 1"),
    "hidden": (
        {"name": "n", "template": {"kind": "mlp", "hidden": [-1]}},
        "/template/hidden/0",
        "greater than 0",
    ),
}


@pytest.mark.parametrize(("body", "pointer", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_network_is_refused(shared, body, pointer: str, sentence: str) -> None:
    problem = refused(shared, body)
    assert problem["errors"][0]["pointer"] == pointer
    assert sentence in problem["errors"][0]["detail"]


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "units left out in the middle": (
        {"layers": [{"kind": "dense"}, {"kind": "dense", "units": 3}]},
        "/layers/0/units",
        "layer 0 (dense): only the last dense layer may leave out its units",
    ),
    "rows of two axes": (
        {"layers": [{"kind": "relu"}, DENSE], "input_shape": [4, 4]},
        "/layers/1",
        "layer 1 (dense): dense takes rows of one axis",
    ),
    "10^390 units": ({"layers": [{"kind": "dense", "units": HUGE}]}, "/layers/0", "memory"),
    "10^390 units in the middle": (
        {"layers": [DENSE, {"kind": "relu"}, {"kind": "dense", "units": HUGE}, {"kind": "dense"}]},
        "/layers/2",
        "layer 2 (dense)",
    ),
    "a product": (
        {"layers": [{"kind": "dense", "units": 10**6}, {"kind": "dense", "units": 10**6}]},
        "/layers/1",
        "memory",
    ),
    "a product with the input": (
        {"layers": [{"kind": "dense", "units": 10**6}], "input_shape": [10**6]},
        "/layers/0",
        "",
    ),
    "a huge input": ({"layers": [{"kind": "relu"}], "input_shape": [HUGE] * 8}, "/layers/0", "memory"),
    "a template": ({"template": {"kind": "mlp", "hidden": [10**6, 10**6]}}, "/template", "layer 2 (dense)"),
    "a template that does not fit its input": (
        {"template": {"kind": "mlp"}, "input_shape": [28, 28]},
        "/template",
        "layer 0 (dense): dense takes rows of one axis",
    ),
}


@pytest.mark.parametrize(("body", "pointer", "sentence"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_an_impossible_network_is_refused(shared, body, pointer: str, sentence: str) -> None:
    problem = refused(shared, {"name": "n", **body})
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert sentence in problem["detail"]
    assert len(problem["detail"]) < 300


def test_list_filter_and_pages(service) -> None:
    ids = [create(service, name=name, layers=[DENSE])["id"] for name in ("a", "b", "a")]
    first = service.client.get("/v1/networks?limit=2").json()
    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    assert first["items"][0].keys() == {"id", "name", "template", "created_at"}
    second = service.client.get(f"/v1/networks?limit=2&cursor={first['next_cursor']}").json()
    assert [item["id"] for item in second["items"]] == [ids[0]]
    assert second["next_cursor"] is None
    named = service.client.get("/v1/networks?name=a").json()
    assert [item["id"] for item in named["items"]] == [ids[2], ids[0]]


def test_delete(shared) -> None:
    address = f"/v1/networks/{create(shared, layers=[DENSE])['id']}"
    assert shared.client.delete(address).status_code == 204
    for response in (shared.client.get(address), shared.client.delete(address)):
        assert response.status_code == 404
        assert "there is no network" in response.json()["detail"]


def test_an_idempotency_key_creates_once(service) -> None:
    body, headers = {"name": "n", "layers": [DENSE]}, {"Idempotency-Key": "k"}
    answers = [service.client.post("/v1/networks", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(service.client.get("/v1/networks").json()["items"]) == 1
    other = service.client.post("/v1/networks", json=body | {"name": "m"}, headers=headers)
    assert other.status_code == 422


@pytest.mark.parametrize("shape", ["4", "2x2", "2,2"])
def test_summary(shared, shape: str) -> None:
    network = create(shared, layers=[{"kind": "flatten"}, DENSE, {"kind": "relu"}, {"kind": "dense"}])
    summary = shared.client.get(f"/v1/networks/{network['id']}/summary?input_shape={shape}&outputs=3").json()
    assert [layer["output_shape"] for layer in summary["layers"]] == [[4], [8], [8], [3]]
    assert [layer["parameters"] for layer in summary["layers"]] == [0, 4 * 8 + 8, 0, 8 * 3 + 3]
    assert summary["output_shape"] == [3]
    assert summary["parameters"] == 67
    assert summary["bytes"] == 4 * 67
    assert summary["multiply_adds"] == 4 * 8 + 8 * 3
    assert "w_{ji}" in summary["layers"][1]["formula"]


def test_summary_takes_the_network_s_own_input_shape(shared) -> None:
    network = create(shared, layers=[DENSE], input_shape=[4])
    assert shared.client.get(f"/v1/networks/{network['id']}/summary").json()["input_shape"] == [4]


@pytest.mark.parametrize(
    ("query", "pointer", "sentence"),
    [
        ("", "/query/input_shape", "say the shape of one row"),
        ("?input_shape=4x4", "/layers/0", "layer 0 (dense): dense takes rows of one axis"),
        ("?input_shape=", "/query/input_shape", "pattern"),
        ("?input_shape=0", "/query/input_shape", "pattern"),
        ("?input_shape=4x", "/query/input_shape", "pattern"),
        ("?input_shape=-4", "/query/input_shape", "pattern"),
        ("?input_shape=1x1x1x1x1x1x1x1x1", "/query/input_shape", "pattern"),
        (f"?input_shape={10**400}", "/query/input_shape", "pattern"),
        ("?input_shape=4&outputs=0", "/query/outputs", "greater than"),
        (f"?input_shape=4&outputs={10**400}", "/query/outputs", "less than"),
        ("?input_shape=4&outputs=many", "/query/outputs", "integer"),
    ],
)
def test_a_summary_that_cannot_be_made(shared, query: str, pointer: str, sentence: str) -> None:
    network = create(shared, layers=[DENSE])
    response = shared.client.get(f"/v1/networks/{network['id']}/summary{query}")
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["pointer"] == pointer
    assert sentence in error["detail"]


def test_a_large_summary_is_counted_without_being_made(shared) -> None:
    network = create(shared, layers=[{"kind": "flatten"}, {"kind": "dense", "units": 1000}])
    shape = "x".join(["9999999999"] * 8)
    summary = shared.client.get(f"/v1/networks/{network['id']}/summary?input_shape={shape}").json()
    assert summary["parameters"] == 9999999999**8 * 1000 + 1000


def test_a_network_that_does_not_exist(shared) -> None:
    for path in ("", "/summary?input_shape=4"):
        assert shared.client.get(f"/v1/networks/net_0{path}").status_code == 404
