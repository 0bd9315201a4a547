"""Every request that the OpenAPI document shows, sent as it stands to a service that knows the penguins."""

import json
import re

import pytest
from serving import PENGUINS, Running

pytestmark = pytest.mark.slow

MODEL = "species-penguins"  # what a job names its model by itself; the document's example of a {ref}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("service") / "data")
    yield running
    running.close()


def examples(document):
    """Method, path, media type and body of each example."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                for body in bodies(content, document["components"]["schemas"]):
                    yield method, path, media_type, body


def bodies(content, schemas):
    """Wherever OpenAPI lets an example stand: beside the schema, one or several, or inside it."""
    if "example" in content:
        yield content["example"]
    yield from (example["value"] for example in content.get("examples", {}).values())
    schema = content["schema"]
    yield from schemas.get(schema.get("$ref", "").rpartition("/")[2], schema).get("examples", [])


def test_every_example_runs(service):
    dataset_id = service.upload(PENGUINS.read_bytes(), "penguins")
    trained = service.until(service.launch(dataset_id, "species"), "succeeded", "failed")
    assert trained["model_name"] == MODEL, trained
    sent = []
    for method, path, media_type, body in examples(service.client.get("/openapi.json").json()):
        text = body if isinstance(body, str) else json.dumps(body)
        answer = service.client.request(
            method,
            path.format(dataset_id=dataset_id, ref=MODEL),
            content=re.sub(r"ds_[0-9a-f]{32}", dataset_id, text),
            headers={"Content-Type": media_type},
        )
        assert answer.is_success, (method, path, media_type, body, answer.text)
        for prediction in answer.json().get("predictions", []):
            assert prediction["warnings"] == [], (method, path, media_type, body)
        if path == "/v1/jobs":
            launched = service.until(answer.json()["id"], "succeeded", "failed")
            assert launched["status"] == "succeeded", launched["error"]
        sent.append((method, path, media_type))
    assert {(method, path) for method, path, _ in sent} == {
        ("post", "/v1/datasets"),
        ("patch", "/v1/datasets/{dataset_id}"),
        ("post", "/v1/networks"),
        ("post", "/v1/jobs"),
        ("post", "/v1/models/{ref}/predict"),
        ("post", "/v1/models/{ref}/evaluate"),
    }
    assert {"text/csv", "application/json", "application/x-ndjson"} <= {media_type for *_, media_type in sent}
