"""What the OpenAPI document says of keys, taken from the routes themselves, as the gate does."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.access import Access, access_of
from app.auth.gate import COOKIE
from app.errors import problems
from app.problems import Forbidden, TooMany, Unauthorized

SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, bpd_..., as `backpropd keys create` or POST /v1/keys gives it.",
    },
    "page": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The cookie that POST /v1/session gives to a browser's page.",
    },
}


def with_security(document: dict[str, Any], app: FastAPI, *, optional: bool) -> dict[str, Any]:
    """The document with what each operation needs; `optional` while there are no keys."""
    document["components"]["securitySchemes"] = SCHEMES
    refusals = {str(status): answer for status, answer in problems(Unauthorized, Forbidden, TooMany).items()}
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is None:  # not in the document
                continue
            access = access_of(route.endpoint, method)
            operation["security"] = _needed(access, optional=optional)
            if access.scope is not None:
                operation["responses"] |= {
                    status: answer
                    for status, answer in refusals.items()
                    if status not in operation["responses"]
                }
    return document


def _needed(access: Access, *, optional: bool) -> list[dict[str, list[str]]]:
    if access.scope is None:
        return []
    needed: list[dict[str, list[str]]] = [
        {name: [access.scope]} for name in SCHEMES
    ]  # either of them, with at least this scope
    return [*needed, {}] if optional else needed
