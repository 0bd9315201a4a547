"""The docs page: our own file and Swagger UI's, all served from here, so that it works with no internet."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from app.errors import MEDIA_TYPE, ProblemDetail

DESCRIPTION = """\
Upload a table, define a network, launch a job, follow it live, predict.

- What networks and trainings are made of: [the catalog](/v1/catalog).
- Errors are problems (RFC 9457): `errors` has a JSON pointer to each field that is wrong.
- Lists come in pages, newest first: pass `next_cursor` on as `cursor`.
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
    {"name": "health", "description": "Whether the service is alive and can work, and its figures."},
]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def install(app: FastAPI) -> None:
    """Serve the docs page of `app`, lead / to it, and make problems part of the OpenAPI document."""
    app.openapi_tags = TAGS
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return with_problems(generate())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document

    for path, file in _files().items():
        app.add_route(path, _serving(file), include_in_schema=False)
    app.add_route("/", lambda _: RedirectResponse("/docs", headers=HEADERS), include_in_schema=False)


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with our shape of errors in place of FastAPI's own."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    own = ProblemDetail.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= own.pop("$defs")
    schemas["ProblemDetail"] = own
    for operations in document["paths"].values():
        for operation in operations.values():
            # FastAPI's own 422, added where a route documents none because nothing in it can be invalid.
            invalid = operation["responses"].get("422")
            if invalid is not None and MEDIA_TYPE not in invalid["content"]:
                del operation["responses"]["422"]
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
