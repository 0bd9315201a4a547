"""Logs as JSON lines with the request's and the job's id, and metrics for Prometheus."""

import logging
import re
import sys
import time
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ids import new_id

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)

logger = logging.getLogger("app.http")

_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def configure_logging(level: str) -> None:
    """Write one JSON object a line to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(levelname)s %(name)s %(message)s", timestamp=True, rename_fields={"levelname": "level"}
        )
    )
    handler.addFilter(_add_context)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _add_context(record: logging.LogRecord) -> bool:
    for variable in (request_id, job_id):
        if (value := variable.get()) is not None:
            setattr(record, variable.name, value)
    return True


class HttpMetrics:
    """Counts and durations of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self.requests = Counter("backpropd_http_requests", "Requests answered.", labels, registry=registry)
        self.seconds = Histogram(
            "backpropd_http_request_seconds",
            "Seconds to the end of the answer.",
            ("method", "route"),
            registry=registry,
        )
        self._of_labels: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Its metrics are kept by their labels, since finding them costs more than counting."""
        found = self._of_labels.get((method, route, status))
        if found is None:
            found = self.requests.labels(method, route, status), self.seconds.labels(method, route)
            self._of_labels[method, route, status] = found
        requests, durations = found
        requests.inc()
        durations.observe(seconds)


class RequestContext:
    """Gives each request an id, a log line and its place in the metrics (ASGI middleware)."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and take note of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        identity = given if _CLIENT_REQUEST_ID.fullmatch(given) else new_id("req")
        token = request_id.set(identity)
        start = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (b"x-request-id", identity.encode())
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - start)
            request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "unknown")  # never the raw path: one label a route
        self.metrics.count(method, route, status, seconds)
        if not logger.isEnabledFor(logging.INFO):
            return
        told = {"method": method, "path": scope["path"], "status": status}
        logger.info("request", extra={**told, "milliseconds": round(seconds * 1000, 1)})


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
