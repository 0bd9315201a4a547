"""What both clients tell httpx."""

import os
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import httpx

from backpropd_client.core.steps import Request

DEFAULT_URL = "http://127.0.0.1:8000"
CHUNK = 1 << 18
"""Bytes of a file that are sent at a time."""


def options(url: str | None, key: str | None, timeout: float) -> dict[str, Any]:
    """Arguments of an `httpx.Client`: the address and the key, or those of BACKPROPD_URL and BACKPROPD_KEY."""
    key = key or os.environ.get("BACKPROPD_KEY")
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    return {
        "base_url": url or os.environ.get("BACKPROPD_URL") or DEFAULT_URL,
        "headers": {"User-Agent": f"backpropd-client/{_version()}", **authorization},
        "timeout": timeout,
    }


def built(
    http: httpx.Client | httpx.AsyncClient, request: Request, content: BinaryIO | AsyncIterable[bytes] | None
) -> httpx.Request:
    """The request as httpx has it; `content` streams its file, if it has one."""
    headers = dict(request.headers)
    if request.body is not None:
        headers["Content-Length"] = str(request.body.stat().st_size)
    timeout = http.timeout.as_dict()
    if request.seconds is not None and timeout["read"] is not None:
        timeout["read"] = max(timeout["read"], request.seconds)
    return http.build_request(
        request.method,
        request.path,
        params={name: value for name, value in request.params.items() if value is not None},
        json=request.json,
        content=content,
        headers=headers,
        timeout=httpx.Timeout(**timeout),
    )


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place once it is whole; an error leaves what was there."""
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _version() -> str:
    try:
        return version("backpropd-client")
    except PackageNotFoundError:  # run from its folder
        return "0"
