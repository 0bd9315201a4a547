"""`backpropd demo`: twice on one folder, on a busy port, and where it cannot work."""

import os
import re
import socket
import subprocess
import sys

import pytest
from serving import free_port

pytestmark = pytest.mark.slow


def demo(data, port):
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--exit", "--data", str(data), "--port", str(port)],
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_twice_on_one_folder_the_second_time_on_a_busy_port(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        for version, port in ((1, free_port()), (2, busy.getsockname()[1])):
            done = demo(tmp_path / "data", port)
            assert done.returncode == 0, done.stdout + done.stderr
            report = re.search(r"species-penguins:(\d+) on (\d+) rows: accuracy\s+([\d.]+)", done.stdout)
            assert report, done.stdout
            assert int(report[1]) == version
            assert float(report[3]) >= 0.95
            assert "Gentoo" in done.stdout
            assert "unseen category" in done.stdout
            assert "/docs" in done.stdout
    told = re.search(rf"Port {port} is busy; taking (\d+)", done.stdout)
    assert told, done.stdout
    assert int(told[1]) != port
    assert f"Service ready at http://127.0.0.1:{told[1]}" in done.stdout


def test_what_failed_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    done = demo(tmp_path / "file", free_port())
    assert done.returncode == 1
    assert "The demo failed" in done.stdout
    assert "file" in done.stdout.replace("\n", "")
