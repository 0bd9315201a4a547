"""The image holds all that the service needs: its steps, run without a container engine.

The service is started as the image starts it: by the image's user where this one may switch to it,
in a folder that it cannot write to, without HOME and without this repository.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from dockerfile import Stage, build

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
UNWRITABLE = Path("/proc")  # for anybody, root included
START_SECONDS = 300

Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="image-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)
        patch.chdir(ROOT)
        yield build(ROOT / "Dockerfile", Path(folder))


@pytest.fixture(scope="module")
def switch(image: Stage) -> dict[str, object]:
    """Options of `Popen` that make a process the image's user's; none where that user cannot run Python."""
    options = {"user": image.user, "group": image.user, "extra_groups": []}
    try:
        subprocess.run([image.root / "venv/bin/python", "-c", ""], check=True, cwd=UNWRITABLE, **options)
    except PermissionError:  # not root, or Python lies in a folder of root's own
        return {}
    return options


@pytest.fixture(scope="module")
def start(image: Stage, switch: dict[str, object]) -> Start:
    """Starts a command in the image."""

    def popen(*command: str) -> subprocess.Popen[str]:
        program = shutil.which(command[0], path=image.env["PATH"])
        assert program, command
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=UNWRITABLE,
            env=image.env | {"BACKPROPD_ALLOW_INSECURE_BIND": "1"},  # as docker-compose.yml sets it
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **switch,
        )

    return popen


def output(start: Start, *command: str) -> tuple[int, str]:
    """The exit code of a command in the image, and what it printed."""
    process = start(*command)
    printed, _ = process.communicate(timeout=START_SECONDS)
    return process.returncode, printed


def read_only_files(image: Stage) -> dict[Path, int]:
    """When each file outside the data folder was last written."""
    return {path: path.stat().st_mtime_ns for path in (image.root / "venv").rglob("*") if path.is_file()}


def get(port: int, path: str) -> str:
    """The text at a path of the service; fails on any status but 2xx."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
        return response.read().decode()


@contextmanager
def service(image: Stage, start: Start) -> Iterator[int]:
    """The image's own command, on a free port of loopback; yields the port, and stops it by SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = image.commands["ENTRYPOINT"] + image.commands["CMD"]
    process = start(*command, "--host", "127.0.0.1", "--port", str(port))
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, process.communicate()[0]
            try:
                get(port, "/readyz")  # its worker is alive as well
                break
            except urllib.error.URLError:
                assert time.monotonic() < deadline, "the service does not get ready"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        printed, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0, printed  # not by the signal: it has waited for its worker


def test_service_starts_from_the_image_alone(image: Stage, start: Start) -> None:
    before = read_only_files(image)
    with service(image, start) as port:
        page = get(port, "/docs")
        assets = re.findall(r'(?:src|href)="(/[^"]+)"', page)
        assert assets, page
        for path in ("/healthz", "/openapi.json", "/v1/catalog", "/v1/datasets", *assets):
            get(port, path)
        checks = [
            [part.replace(":8000/", f":{port}/") for part in image.commands["HEALTHCHECK"]],
            yaml.safe_load(COMPOSE.read_text())["services"]["worker"]["healthcheck"]["test"][1:],
        ]
        for check in checks:
            code, printed = output(start, *check)
            assert code == 0, printed
    for check in checks:
        assert output(start, *check)[0] != 0, f"{check} passes although nothing runs"
    assert read_only_files(image) == before, "something outside the data folder was written"


@pytest.mark.parametrize(
    "file",
    ["app/demo/penguins.csv", "app/demo/PENGUINS.md", "app/py.typed", "engine/py.typed", "migrations/env.py"],
)
def test_image_holds_the_package_data(start: Start, file: str) -> None:
    package, name = file.rsplit("/", 1)
    read = f"files({package.replace('/', '.')!r}).joinpath({name!r}).read_bytes()"
    code, printed = output(start, "python", "-c", f"from importlib.resources import files; {read}")
    assert code == 0, printed


def test_image_has_no_build_tools_and_holds_bytecode(image: Stage, start: Start) -> None:
    for tool in ("pip", "setuptools"):
        assert output(start, "python", "-c", f"import {tool}")[0] == 1
    assert list((image.root / "venv").rglob("engine/__pycache__/network.*.pyc"))


def test_image_runs_as_a_user_that_owns_the_data_folder_alone(image: Stage) -> None:
    assert image.user > 0
    assert {path.name for path in image.kept} == {"venv", "data"}
    if os.getuid() == 0:
        assert (image.root / "data").stat().st_uid == image.user
        assert (image.root / "venv").stat().st_uid == 0
