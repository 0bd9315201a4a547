"""What browsers are told with every answer, and what logs hold of what was sent."""

import io
import json
import logging
import time

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.observability import configure_logging
from app.security_headers import HEADERS, PAGE_HEADERS

PAGES = ("/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/")


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("headers")) as running:
        yield running


def addresses(service) -> list[tuple[str, str]]:
    """Every method and path that the application answers, with ids that are of nothing."""
    app = service.app
    return [
        (method, context.path.replace("{", "").replace("}", ""))
        for context in iter_route_contexts(app.routes)
        for method in sorted(context.methods or ())
    ]


def test_every_answer_has_them(service) -> None:
    asked = addresses(service)
    assert len(asked) > 30
    for method, path in [*asked, ("GET", "/nothing"), ("PUT", "/healthz")]:
        headers = service.client.request(method, path).headers
        for name, value in HEADERS.items():
            assert name in headers, (method, path)
            if path not in PAGES:
                assert headers[name] == value, (method, path, name)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_no_script_but_its_own_files(service, path: str) -> None:
    response = service.client.get(path)
    policy = dict(
        part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert {name: response.headers[name] for name in PAGE_HEADERS} == PAGE_HEADERS
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "<script>" not in response.text if path == "/docs" else True


def test_an_answer_to_a_bug_has_them_too(service, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("app.networks.service.listed", broken)
    response = service.client.get("/v1/networks")
    assert response.status_code == 500
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert "a bug" not in response.text


def test_no_answer_is_shown_by_a_browser_as_something_else(service) -> None:
    """JSON, problems and text alone; files would have to be attachments."""
    for method, path in addresses(service):
        headers = service.client.request(method, path).headers
        kind = headers.get("content-type", "").partition(";")[0]
        shown = {"", "application/json", "application/problem+json", "text/plain", "text/event-stream"}
        assert kind in shown or path in PAGES or headers["content-disposition"].startswith("attachment"), path


def test_a_log_line_is_one_object_of_plain_characters(service, monkeypatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging("info")
        url = f"{service.url}/v1/models/x%0a%0d%1b[31m%E2%80%AE%7B%22level%22%3A%22ERROR%22%7D"
        httpx.get(
            url,
            headers={"X-Request-Id": "a b\tc", "User-Agent": "\x1b[31m".encode("unicode_escape").decode()},
        )
        deadline = time.monotonic() + 10  # the line follows the answer
        while '"path"' not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        root.handlers[:], root.level = handlers, level
    lines = stream.getvalue().splitlines()
    entries = [json.loads(line) for line in lines]
    [entry] = [entry for entry in entries if entry.get("path", "").startswith("/v1/models/x")]
    assert entry["path"] == '/v1/models/x\n\r\x1b[31m\u202e{"level":"ERROR"}'
    assert entry["request_id"].startswith("req_")
    assert all(" " <= character <= "~" for line in lines for character in line)
