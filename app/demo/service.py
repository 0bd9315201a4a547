"""The demo's own service: `backpropd serve` as a process beside it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from app.settings import Settings

START_SECONDS = 30.0

console = Console()


class NotStarted(Exception):
    """Why the service did not start, with the end of its log."""


@contextmanager
def started_service(settings: Settings) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`backpropd serve` as a process of its own, ready; its log goes to a file."""
    port = _free_port(settings)
    url = f"http://127.0.0.1:{port}"
    settings.data.mkdir(parents=True, exist_ok=True)
    log = settings.data / "demo.log"
    here = settings.model_copy(update={"host": "127.0.0.1", "port": port})
    environment = {**os.environ, **here.environment()}
    with log.open("wb") as output:
        service = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"], env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_ready(url, service, log)
        yield url, service
    finally:
        if service.poll() is None:
            service.send_signal(signal.SIGTERM)
        service.wait()


def _free_port(settings: Settings) -> int:
    """The settings' port, or a free one if it is busy."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
            console.print(f"Port {settings.port} is busy; taking {probe.getsockname()[1]}.")
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, service: subprocess.Popen[bytes], log: Path) -> None:
    start = time.monotonic()
    while time.monotonic() - start < START_SECONDS:
        if service.poll() is not None:
            raise NotStarted(f"the service ended with exit code {service.returncode}:\n{_tail(log)}")
        try:
            if httpx.get(f"{url}/readyz").is_success:
                seconds = time.monotonic() - start
                console.print(f"Service ready at {url} after {seconds:.1f} s, with one training worker.")
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise NotStarted(f"the service was not ready within {START_SECONDS:g} s:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
