"""Every request that the OpenAPI document shows, sent as it stands to a service that knows the penguins."""

import json
import re

import pytest
from serving import PENGUINS, Running, bearer

pytestmark = pytest.mark.slow

MODEL = "species-penguins"  # what a job names its model by itself; the document's example of a {ref}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    data = tmp_path_factory.mktemp("service") / "data"
    _, headers = bearer(data, "ada", "admin")
    running = Running(data, webhook_allowed_hosts="hooks.example.com")
    running.client.headers.update(headers)
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


def paused(service, dataset_id):
    """A job that has begun and is waiting to go on: its changes are allowed."""
    job_id = service.launch(dataset_id, "species", training={"epochs": 100_000, "early_stopping": None})
    service.until_epoch(job_id)
    service.do(job_id, "pause")
    return service.until(job_id, "paused")["id"]


def test_every_example_runs(service):
    dataset_id = service.upload(PENGUINS.read_bytes(), "penguins")
    trained = service.until(service.launch(dataset_id, "species"), "succeeded", "failed")
    assert trained["model_name"] == MODEL, trained
    jobs = dict.fromkeys(("/v1/jobs/{job_id}", "/v1/jobs/{job_id}/predict"), paused(service, dataset_id))
    sent = []
    for method, path, media_type, body in examples(service.client.get("/openapi.json").json()):
        text = body if isinstance(body, str) else json.dumps(body)
        things = {"dataset_id": dataset_id, "ref": MODEL, "name": MODEL, "alias": "champion", "version": 1}
        answer = service.client.request(
            method,
            path.format(**things, job_id=jobs.get(path, trained["id"])),
            params={"model": MODEL} if path == "/invocations" else None,
            content=re.sub(r"ds_[0-9a-f]{32}", dataset_id, text),
            headers={"Content-Type": media_type},
        )
        assert answer.is_success, (method, path, media_type, body, answer.text)
        for prediction in answer.json()["predictions"] if path.endswith("/{ref}/predict") else []:
            assert prediction["warnings"] == [], (method, path, media_type, body)
        if method == "post" and answer.json().get("id", "").startswith("job_"):
            launched = service.until(answer.json()["id"], "succeeded", "failed")
            assert launched["status"] == "succeeded", launched["error"]
        sent.append((method, path, media_type))
    assert {(method, path) for method, path, _ in sent} == {
        ("post", "/v1/datasets"),
        ("patch", "/v1/datasets/{dataset_id}"),
        ("post", "/v1/networks"),
        ("post", "/v1/jobs"),
        ("patch", "/v1/models/{ref}"),
        ("put", "/v1/models/{name}/aliases/{alias}"),
        ("post", "/v1/models/{ref}/batch-predictions"),
        ("patch", "/v1/jobs/{job_id}"),
        ("post", "/v1/jobs/{job_id}/predict"),
        ("post", "/v1/jobs/{job_id}/continue"),
        ("post", "/v1/keys"),
        ("post", "/v1/webhooks"),
        ("post", "/v1/models/{ref}/predict"),
        ("post", "/v1/models/{ref}/evaluate"),
        ("post", "/v1/models/{ref}/explain"),
        ("post", "/v2/models/{name}/infer"),
        ("post", "/v2/models/{name}/versions/{version}/infer"),
        ("post", "/invocations"),
        ("post", "/v1/models/{name}:predict"),
        ("post", "/v1/models/{name}/versions/{version}:predict"),
    }
    assert {"text/csv", "application/json", "application/x-ndjson"} <= {media_type for *_, media_type in sent}
