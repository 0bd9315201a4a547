"""Every error that reaches a client is an RFC 9457 problem, rendered in one place."""

import json
import logging
import re
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.bodies import OVER_LIMIT
from app.database_problems import problem_of
from app.problems import (
    Busy,
    FieldError,
    Invalid,
    Problem,
    TooLarge,
    UnsupportedMediaType,
    to_pointer,
)
from app.security_headers import HEADERS
from engine.spec import Path

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100  # of an answer, so that it stays small whatever was sent
LONGEST_KIND = 40  # letters of what was sent for one
_OF_PROTOCOLS = re.compile(r"^/v2(/|$)|:predict$")  # whose errors are {"error": ...}


class ProblemDetail(BaseModel):
    """A problem as RFC 9457 has it."""

    type: str = Field(description="What kind of problem it is; stable.", examples=["urn:backpropd:not_found"])
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What went wrong, in a sentence.", examples=["there is no network net_01"]
    )
    instance: str = Field(description="The path that was asked for.", examples=["/v1/networks/net_01"])
    errors: list[FieldError] = Field(
        default=[], description=f"The fields that are wrong, where known; the first {MAX_ERRORS}."
    )
    error: str | None = Field(
        None,
        description="The detail again, as other servers' protocols have it: under /v2 and of :predict.",
    )


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer these problems, for OpenAPI."""
    return {kind.status: _documented(kind) for kind in kinds}


def _documented(kind: type[Problem]) -> dict[str, Any]:
    meaning = (kind.__doc__ or "").strip()
    example = ProblemDetail(
        type=f"urn:backpropd:{kind.code}",
        title=HTTPStatus(kind.status).phrase,
        status=kind.status,
        detail=meaning,
        instance="/v1/...",
    )
    schema = {"$ref": "#/components/schemas/ProblemDetail"}
    return {
        "description": meaning,
        "content": {MEDIA_TYPE: {"schema": schema, "example": example.model_dump(exclude_none=True)}},
    }


def render(request: Request, problem: Problem, *, status: int | None = None) -> JSONResponse:
    """The one place where a problem becomes an answer."""
    status = status or problem.status
    body = described(problem, request.url.path, status)
    # The security headers are here too: the answer to a bug of ours is sent from outside of all middleware.
    headers = {**HEADERS, **problem.headers}
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=headers, media_type=MEDIA_TYPE)


def described(problem: Problem, instance: str, status: int) -> ProblemDetail:
    """The problem in the words of RFC 9457; `instance` is the path that was asked for."""
    return ProblemDetail(
        type=f"urn:backpropd:{problem.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=problem.detail,
        instance=instance,
        errors=problem.errors,
        error=problem.detail if _OF_PROTOCOLS.search(instance) else None,
    )


def _path_as_sent(error: dict[str, Any], body: object) -> Path:
    """Pydantic's location without the union tags that it holds: only what stands in the body as sent."""
    where, *loc = error["loc"]
    if where != "body":
        return (where, *loc)
    path: list[str | int] = []
    here = body
    for i, part in enumerate(loc):
        inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        tag = (
            inside
            and isinstance(here, dict)
            and here.get("kind") == part
            and i + 1 < len(loc)
            and loc[i + 1] in here
        )
        if inside and not tag:
            path.append(part)
            here = here[part]  # type: ignore[index]  # `inside` says that it is a container with this key
        elif i == len(loc) - 1 and error["type"] == "missing":
            path.append(part)
    if error["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        path.append(_discriminator(error))
    return tuple(path)


def _sentence(error: dict[str, Any]) -> str:
    match error["type"]:
        case "json_invalid":
            return f"not valid JSON: {error['ctx']['error']} (at character {error['loc'][-1]})"
        case "extra_forbidden":
            return "unknown field; see /docs for the fields there are"
        case "union_tag_invalid":
            tag, known = error["ctx"]["tag"][:LONGEST_KIND], error["ctx"]["expected_tags"]
            return _unknown_kind(_discriminator(error), tag, known)
        case "union_tag_not_found":
            return f'the field "{_discriminator(error)}" is missing, which says what this is'
        case "model_attributes_type" | "dict_type":
            return "must be an object" + _as_object(error["input"])
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


def _discriminator(error: dict[str, Any]) -> str:
    """The field that says which of several specs an object is."""
    return str(error["ctx"]["discriminator"]).strip("'")


def _unknown_kind(field: str, kind: str, expected: str) -> str:
    """`expected`: the kinds there are, as Pydantic lists them, in quotes with commas between."""
    close = get_close_matches(kind.lower(), expected.replace("'", "").split(", "), n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    return f"there is no {field} {kind!r}{meant} There are {expected}"


def _as_object(value: object) -> str:
    """How a word that stands in an object's place is meant, mostly."""
    if not isinstance(value, str) or len(value) > LONGEST_KIND:
        return ""
    return f"; a kind without further fields is {json.dumps({'kind': value})}"


def _validation_problem(error: RequestValidationError) -> Problem:
    if isinstance(error.body, bytes):
        return UnsupportedMediaType("the body must be JSON: send the header Content-Type: application/json")
    errors = [
        FieldError(
            pointer="" if item["type"] == "json_invalid" else to_pointer(_path_as_sent(item, error.body)),
            detail=_sentence(item),
        )
        for item in error.errors()[:MAX_ERRORS]
    ]
    first = errors[0]
    return Invalid(f"{first.pointer or 'the body'}: {first.detail}", errors)


def _of_http(request: Request, error: HTTPException) -> JSONResponse:
    """What Starlette and FastAPI refuse by themselves."""
    if error.status_code == TooLarge.status:
        return render(request, TooLarge(OVER_LIMIT))
    problem = Problem(str(error.detail), code=HTTPStatus(error.status_code).name.lower())
    response = render(request, problem, status=error.status_code)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods_there(request))
    return response


def _methods_there(request: Request) -> list[str]:
    """The methods of every route with the request's path; Starlette names only those of the first one.

    The path that spells out most is the one that is meant: /v1/models/import is no model called import.
    """
    contexts = iter_route_contexts(request.app.routes)
    there = [context for context in contexts if context.matches(request.scope)[0] is not Match.NONE]
    most = max((_spelled_out(context) for context in there), default=0)
    there = [context for context in there if _spelled_out(context) == most]
    return sorted({method for context in there for method in context.methods or ()})


def _spelled_out(context: RouteContext) -> int:
    """Characters of a route's path that are no parameters."""
    return len(re.sub(r"\{[^}]*\}", "", context.path or ""))


class TooLargeAsProblem:
    """Starlette answers a body over its limit in plain text, below all handlers; this says it as a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but that one answer."""
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                replaced = message["status"] == TooLarge.status and Headers(raw=message["headers"]).get(
                    "content-type", ""
                ).startswith("text/plain")
                if replaced:
                    await render(Request(scope), TooLarge(OVER_LIMIT))(scope, receive, send)
            if not replaced:
                await send(message)

        await self.app(scope, receive, send_problem)


def install(app: FastAPI) -> None:
    """Render every error of `app` as a problem."""
    app.add_middleware(TooLargeAsProblem)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, error: Problem) -> JSONResponse:
        return render(request, error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return render(request, _validation_problem(error))

    @app.exception_handler(DBAPIError)
    async def on_database(request: Request, error: DBAPIError) -> JSONResponse:
        problem = problem_of(error)
        if problem is None:
            raise error
        return render(request, problem)

    @app.exception_handler(PoolTimeout)
    async def on_no_connection(request: Request, _: PoolTimeout) -> JSONResponse:
        return render(request, Busy("the database is busy; try again"))

    @app.exception_handler(ClientDisconnect)
    async def on_disconnect(_request: Request, _: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it; no error of ours either

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        return _of_http(request, error)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        logger.error("unexpected error", exc_info=error)
        problem = Problem("an error of ours; the log has it under this request's id", code="internal")
        response = render(request, problem, status=500)
        response.headers["Connection"] = "close"  # the server closes it, since the error goes on to its log
        return response
