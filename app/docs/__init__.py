"""The docs page: our own file and Swagger UI's, all served from here, so that it works with no internet."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response

from app.access import open_to_all
from app.auth.service import any_key
from app.docs.security import with_security
from app.errors import MEDIA_TYPE, ProblemDetail, problems
from app.problems import Problem, TargetTooLong
from app.security_headers import PAGE_HEADERS

DESCRIPTION = """\
Upload a table, define a network, launch a job, follow it live, predict.

- What networks and trainings are made of: [the catalog](/v1/catalog).
- Errors are problems (RFC 9457): `errors` has a JSON pointer to each field that is wrong.
- Lists come in pages, newest first: pass `next_cursor` on as `cursor`.
- Once there are keys (`backpropd keys create`), every request needs one: Authorize sends it along.
- A POST that creates takes an `Idempotency-Key`: sent twice, it creates once.
"""

TAGS = [
    {"name": "datasets", "description": "Uploaded tables: stored, typed, profiled."},
    {
        "name": "networks",
        "description": "Networks, what they cost, and the catalog of what they are made of.",
    },
    {"name": "jobs", "description": "Training jobs: queued, run by workers, followed live."},
    {"name": "models", "description": "Trained networks: versions, lineage, validation reports."},
    {"name": "predictions", "description": "A model's answers to raw rows, and how good they are."},
    {"name": "protocols", "description": "Predictions in the words of other servers, for their clients."},
    {"name": "explanations", "description": "Why a model answers as it does, and what it consists of."},
    {"name": "webhooks", "description": "Telling other services what has happened."},
    {"name": "keys", "description": "Who may do what: keys, sessions of pages, the log of changes."},
    {"name": "health", "description": "Whether the service is alive and can work, and its figures."},
]

# What differs from other answers' (app/security_headers.py). Swagger UI sets styles in its elements.
HEADERS = PAGE_HEADERS | {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",  # asked for anew each time, and mostly answered 304
}


def install(app: FastAPI) -> None:
    """Serve the docs page of `app`, lead / to it, and make problems part of the OpenAPI document."""
    app.openapi_tags = TAGS
    generate = app.openapi

    def document(*, optional: bool) -> dict[str, Any]:
        return with_security(with_problems(generate()), app, optional=optional)

    @cache
    def written(*, optional: bool) -> bytes | memoryview:
        return JSONResponse(document(optional=optional)).body

    def openapi() -> dict[str, Any]:
        return document(optional=not any_key(app.state.context.database))

    async def serve_openapi(_: Request) -> Response:
        # In a thread: an event loop that waits for a lock of the database keeps those from ending who hold it.
        known = await run_in_threadpool(any_key, app.state.context.database)
        return Response(written(optional=not known), media_type="application/json")

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    app.add_route("/openapi.json", open_to_all(serve_openapi), include_in_schema=False)

    for path, file in _files().items():
        app.add_route(path, open_to_all(_serving(file)), include_in_schema=False)
    home = open_to_all(lambda _: RedirectResponse("/docs", headers=HEADERS))
    app.add_route("/", home, include_in_schema=False)


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with our shape of errors in place of FastAPI's own, and where references lead to."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    own = ProblemDetail.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= own.pop("$defs")
    schemas["ProblemDetail"] = own
    for operations in document["paths"].values():
        for operation in operations.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                # Of a schema that a route wrote by itself.
                for name, schema in body["schema"].get("$defs", {}).items():
                    if schemas.setdefault(name, schema) != schema:
                        raise RuntimeError(f"two schemas are called {name}")
            # FastAPI's own 422, added where a route documents none because nothing in it can be invalid.
            invalid = operation["responses"].get("422")
            if invalid is not None and MEDIA_TYPE not in invalid["content"]:
                del operation["responses"]["422"]
            # Of an address or headers that mean two things, or of an address that is too long.
            for status, answer in problems(Problem, TargetTooLong).items():
                operation["responses"].setdefault(str(status), answer)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _files() -> dict[str, Path]:
    """Every file of the page, by the path under which it is served."""
    ours = Path(__file__).parent
    swagger = Path(str(files("fastapi_offline"))) / "static"
    return {
        "/docs": ours / "page.html",
        "/docs/start.js": ours / "start.js",
        "/docs/swagger-ui.css": swagger / "swagger-ui.css",
        "/docs/swagger-ui-bundle.js": swagger / "swagger-ui-bundle.js",
    }


def _serving(file: Path) -> Callable[[Request], Response]:
    return lambda _: FileResponse(file, headers=HEADERS)
