"""`backpropd serve`: the API in this process, its training workers and further API processes as children."""

import contextlib
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from app.settings import Settings
from app.supervisor import api_processes, workers

if TYPE_CHECKING:
    import uvicorn  # whose import takes a while, meanwhile the workers start

STARTUP_FAILED = 3  # the exit code, as uvicorn's
BACKLOG = 2048  # connections that wait for a process

logger = logging.getLogger(__name__)


class InsecureBind(Exception):
    """An address that others reach, although there are no keys."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; raises `InsecureBind` for an address that is not loopback.

    The workers start first, so that they import what they need while this process does.
    """
    check_bind(settings)
    _bound(settings).close()  # an address that is taken is told before anything starts
    # uvicorn raises a signal again once it has shut down: it must not end this process before the workers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with workers(settings):
        gc.disable()  # imports leave nothing to collect: looking for it is a tenth of the start
        prepare(settings)
        if settings.api_processes == 1:
            _run(_server(settings))
            return
        with contextlib.closing(_listen(settings)) as listening, api_processes(settings, listening.fileno()):
            _run(_server(settings), listening)


def answer(settings: Settings, listening: int, lifeline: int) -> None:
    """Answer requests that come to the listening socket of this descriptor, until the pipe `lifeline` closes."""
    gc.disable()
    server = _server(settings)

    def end_with_parent() -> None:
        os.read(lifeline, 1)
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    with socket.socket(fileno=listening) as inherited:
        _run(server, inherited)


def _server(settings: Settings) -> "uvicorn.Server":
    """The server with the application; ends what was begun with `gc.disable()`."""
    module, app = import_module("uvicorn"), import_module("app.main").create_app(settings)
    gc.freeze()
    gc.enable()
    config = module.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=import_module("app.connections").guarded(settings),
        ws="none",  # there are no websockets: an upgrade is answered as the request that it is
        proxy_headers=False,  # X-Forwarded-For is what anybody may send
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,  # streams of events have no end of their own
    )
    server: uvicorn.Server = module.Server(config)
    return server


def _run(server: "uvicorn.Server", *listening: socket.socket) -> None:
    """Serve until a signal, as `uvicorn.run` does; ends the process where the start fails."""
    with contextlib.suppress(KeyboardInterrupt):
        server.run(list(listening) or None)
    if not server.started:
        sys.exit(STARTUP_FAILED)


def _listen(settings: Settings) -> socket.socket:
    """A listening socket that children inherit; ends the process where the address is taken."""
    listening = _bound(settings)
    listening.listen(BACKLOG)
    return listening


def _bound(settings: Settings) -> socket.socket:
    """A socket that has the address but does not listen; ends the process where the address is taken.

    Its protocol is named: for others asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        sys.exit(f"backpropd: cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    return bound


def prepare(settings: Settings) -> None:
    """Migrate the database, for which the workers wait, and remove what crashes have left behind."""
    import_module("app.schema").migrate(settings)
    database = import_module("app.database").Database(settings.url)
    with contextlib.closing(database):
        import_module("app.sweep").sweep(database, import_module("app.storage").Storage(settings.data))


def check_bind(settings: Settings) -> None:
    """Refuse an address that is not loopback, unless there are keys or it was permitted."""
    loopback = settings.host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = ipaddress.ip_address(settings.host).is_loopback
    if loopback or _any_key(settings):
        return
    if settings.allow_insecure_bind:
        logger.warning("whoever reaches this address may do everything: there are no keys")
    else:
        raise InsecureBind(
            f"refusing to listen on {settings.host}: there are no keys, so anybody who reaches it could use it. "
            "Make one with backpropd keys create, listen on 127.0.0.1, or permit it with "
            "BACKPROPD_ALLOW_INSECURE_BIND=1"
        )


def _any_key(settings: Settings) -> bool:
    """Whether there ever was a key; asked for where that decides, since it takes a while to import."""
    if not settings.data.is_dir():
        return False
    database = import_module("app.database").Database(settings.url)
    with contextlib.closing(database):
        return bool(import_module("app.auth.service").any_key(database))
