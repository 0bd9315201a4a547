"""The docs page and the OpenAPI document that it shows."""

import json
import re
from typing import Any

import pytest

from app.errors import MEDIA_TYPE, ProblemDetail

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(scope="module")
def client(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running.client


@pytest.fixture(scope="module")
def document(client) -> dict[str, Any]:
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def operations(document) -> dict[str, dict[str, Any]]:
    """Every operation by method and path."""
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return document["components"]["schemas"][name] if name else schema


def test_the_contract_is_there(operations) -> None:
    datasets, networks, jobs, models = (f"/v1/{name}" for name in ("datasets", "networks", "jobs", "models"))
    assert operations.keys() == {
        *(f"{method} {datasets}" for method in ("post", "get")),
        *(f"{method} {datasets}/{{dataset_id}}" for method in ("get", "patch", "delete")),
        *(f"get {datasets}/{{dataset_id}}/{view}" for view in ("rows", "drift", "correlation")),
        *(f"{method} {networks}" for method in ("post", "get")),
        *(f"{method} {networks}/{{network_id}}" for method in ("get", "delete")),
        f"get {networks}/{{network_id}}/summary",
        "get /v1/catalog",
        *(f"{method} {jobs}" for method in ("post", "get")),
        *(f"{method} {jobs}/{{job_id}}" for method in ("get", "delete", "patch")),
        *(f"get {jobs}/{{job_id}}/{view}" for view in ("history", "events", "checkpoints")),
        *(
            f"post {jobs}/{{job_id}}/{action}"
            for action in ("cancel", "pause", "resume", "retry", "replay", "continue", "predict")
        ),
        f"get {models}",
        f"post {models}/import",
        *(f"{method} {models}/{{ref}}" for method in ("get", "delete", "patch")),
        f"post {models}/{{ref}}/batch-predictions",
        "get /v1/batch-predictions",
        *(f"{method} /v1/batch-predictions/{{batch_id}}" for method in ("get", "delete")),
        "post /v1/batch-predictions/{batch_id}/cancel",
        "get /v1/batch-predictions/{batch_id}/result",
        f"get {models}/compare",
        f"get {models}/{{ref}}/card",
        f"get {jobs}/compare",
        f"get {models}/{{name}}/aliases",
        *(f"{method} {models}/{{name}}/aliases/{{alias}}" for method in ("get", "put", "delete")),
        f"get {models}/{{name}}/aliases/{{alias}}/history",
        *(f"post {models}/{{ref}}/{action}" for action in ("predict", "evaluate", "explain")),
        *(
            f"get {models}/{{ref}}/{view}"
            for view in (
                "importance",
                "effects",
                "decision-surface",
                "suspect-labels",
                "layers",
                "out-of-fold",
                "export",
            )
        ),
        "get /v2",
        *(f"get /v2/health/{state}" for state in ("live", "ready")),
        *(
            f"{method} /v2/models/{{name}}{version}{view}"
            for version in ("", "/versions/{version}")
            for method, view in (("get", ""), ("get", "/ready"), ("post", "/infer"))
        ),
        "post /invocations",
        *(f"post {models}/{{name}}{version}:predict" for version in ("", "/versions/{version}")),
        *(f"{method} /v1/keys" for method in ("post", "get")),
        *(f"{method} /v1/keys/{{key_id}}" for method in ("get", "delete")),
        *(f"{method} /v1/session" for method in ("post", "delete")),
        *(f"{method} /v1/webhooks" for method in ("post", "get")),
        *(f"{method} /v1/webhooks/{{webhook_id}}" for method in ("get", "delete")),
        "get /v1/webhooks/{webhook_id}/deliveries",
        "get /v1/audit",
        "get /healthz",
        "get /readyz",
        "get /metrics",
    }


def test_every_operation_says_what_it_does(document, operations) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"].endswith((".", "`", ":")), name
        assert len(operation["tags"]) == 1, name
        assert set(operation["tags"]) <= tags, name


def test_every_operation_shows_what_it_answers(operations) -> None:
    for name, operation in operations.items():
        good = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        assert good, name
        for status, answer in good.items():
            if status == "204":
                assert "content" not in answer, name
            else:
                assert answer["content"], name
                for content in answer["content"].values():
                    assert "schema" in content or "itemSchema" in content, name  # the latter of a stream


def test_every_error_is_a_documented_problem(document, operations) -> None:
    for name, operation in operations.items():
        errors = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
        for status, answer in errors.items():
            assert answer["description"], (name, status)
            if name != "get /readyz":  # which answers its checks, whatever their outcome
                assert answer["content"].keys() == {MEDIA_TYPE}, (name, status)
                content = answer["content"][MEDIA_TYPE]
                assert content["schema"] == {"$ref": "#/components/schemas/ProblemDetail"}, (name, status)
                assert ProblemDetail.model_validate(content["example"]).status == int(status), name
        expected = set()
        if "{" in name:
            expected |= {"404"}
        if "requestBody" in operation:
            expected |= {"413", "415", "422"}
        if any(parameter["in"] != "path" for parameter in operation.get("parameters", [])):
            expected |= {"422"}
        reads = name.startswith("get") or name.endswith(
            ("/predict", "/evaluate", "/explain", "/infer", ":predict", "/invocations")
        )
        if not reads:
            expected |= {"503", "507"}
        assert expected <= errors.keys(), name
    assert document["components"]["schemas"]["ProblemDetail"]["properties"].keys() == {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "errors",
        "error",
    }


def test_every_json_body_has_an_example(document, operations) -> None:
    for name, operation in operations.items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            schema = resolved(document, content["schema"])
            assert content.get("examples") or "example" in content or schema.get("examples"), name


def test_every_parameter_is_explained(operations) -> None:
    for name, operation in operations.items():
        for parameter in operation.get("parameters", []):
            if not parameter["name"].endswith("_id"):
                assert parameter.get("description"), (name, parameter["name"])


def test_every_reference_leads_somewhere_and_nothing_of_fastapi_s_own_errors_is_left(
    client, document
) -> None:
    text = client.get("/openapi.json").text
    assert "ValidationError" not in text
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names <= document["components"]["schemas"].keys()


def test_the_document_does_not_change_when_it_is_asked_for_again(client, document) -> None:
    assert client.get("/openapi.json").json() == document


def test_the_page_loads_nothing_from_elsewhere(client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'<(?:script src|link rel="(?:stylesheet|icon)" href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for address in loaded:
        assert address.startswith(("/docs/", "data:"))
        if address.startswith("/"):
            assert client.get(address).status_code == 200
    for text in (page.text, client.get("/docs/start.js").text):
        foreign = re.findall(r"https?://[^\s'\"]+", text)
        assert set(foreign) <= {"http://www.w3.org/2000/svg"}  # the name of a namespace, not an address


def test_the_page_holds_no_script_and_is_framed_by_nobody(client) -> None:
    page = client.get("/docs")
    assert re.findall(r"<script(?![^>]* src=)", page.text) == []
    assert re.findall(r"\son\w+=", page.text) == []
    assert page.headers["x-content-type-options"] == "nosniff"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_root_leads_to_the_page(client) -> None:
    response = client.get("/")
    assert response.status_code == 307
    assert response.headers["location"] == "/docs"


def test_nothing_else_lies_beside_the_page(client) -> None:
    for path in (
        "/docs/",
        "/docs/page.html",
        "/docs/redoc.standalone.js",
        "/docs/..%2f__init__.py",
        "/redoc",
    ):
        assert client.get(path, follow_redirects=False).status_code in {307, 404}
        assert client.post("/docs").status_code == 405


def test_every_reference_leads_somewhere(service) -> None:
    document = service.client.get("/openapi.json").json()
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    assert len(references) > 100
    for reference in references:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
