"""`backpropd serve`: the API in this process, its training workers as children."""

import contextlib
import gc
import ipaddress
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module

from app.settings import Settings

GRACE_SECONDS = 10.0  # that workers have to give their jobs back
RESTART_SECONDS = 1.0

logger = logging.getLogger(__name__)


class InsecureBind(Exception):
    """An address that others reach, although there are no keys."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; raises `InsecureBind` for an address that is not loopback.

    The workers start first, so that they import what they need while this process does.
    """
    check_bind(settings)
    # uvicorn raises a signal again once it has shut down: it must not end this process before the workers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with workers(settings):
        gc.disable()  # imports leave nothing to collect: looking for it is a tenth of the start
        prepare(settings)
        uvicorn, app = import_module("uvicorn"), import_module("app.main").create_app(settings)
        gc.freeze()
        gc.enable()
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,  # streams of events have no end of their own
        )


def prepare(settings: Settings) -> None:
    """Migrate the database, for which the workers wait, and remove what crashes have left behind."""
    import_module("app.schema").migrate(settings)
    database = import_module("app.database").Database(settings.url)
    with contextlib.closing(database):
        import_module("app.sweep").sweep(database, import_module("app.storage").Storage(settings.data))


def check_bind(settings: Settings) -> None:
    """Refuse an address that is not loopback unless that was permitted."""
    if settings.allow_insecure_bind:
        return
    loopback = settings.host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = ipaddress.ip_address(settings.host).is_loopback
    if not loopback:
        raise InsecureBind(
            f"refusing to listen on {settings.host}: there are no keys, so anybody who reaches it could use it. "
            "Listen on 127.0.0.1, or permit it with BACKPROPD_ALLOW_INSECURE_BIND=1"
        )


@contextlib.contextmanager
def workers(settings: Settings) -> Iterator[None]:
    """Keep `settings.workers` workers running; end them at the end.

    They hold the read end of a pipe: when this process dies, however it does, they see it close.
    """
    lifeline, held = os.pipe()
    command = [sys.executable, "-m", "app.cli", "worker", "--lifeline", str(lifeline)]
    environment = {**os.environ, **settings.environment()}
    stopping = threading.Event()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=environment, pass_fds=[lifeline])  # noqa: S603 - our own module

    running = [start() for _ in range(settings.workers)]

    def restart() -> None:
        while not stopping.wait(RESTART_SECONDS):
            for i, worker in enumerate(running):
                if worker.poll() is not None and not stopping.is_set():
                    logger.error("a worker ended; starting another", extra={"exit_code": worker.returncode})
                    running[i] = start()

    supervisor = threading.Thread(target=restart, daemon=True)
    supervisor.start()
    try:
        yield
    finally:
        stopping.set()
        supervisor.join()
        os.close(held)  # the workers stop
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(max(deadline - time.monotonic(), 0))
            worker.kill()
            worker.wait()
        os.close(lifeline)
