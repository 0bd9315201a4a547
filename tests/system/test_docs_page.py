"""The docs page in a browser that can reach nothing but the service."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    # Where CI is set the browser must be there; elsewhere the test may be left out.
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium here"),
]


@pytest.fixture(scope="module")
def browse(start_service, tmp_path_factory):
    """Runs Chromium on the docs page with further options; what it prints."""
    assert CHROMIUM is not None, "apt-get install chromium"
    folder: Path = tmp_path_factory.mktemp("browser")

    def run(url: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=20000",
            *options,
            url,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)

    with start_service(folder / "data") as service:
        yield lambda *options: run(f"{service.url}/docs", *options), service


def test_the_page_renders_every_operation(browse) -> None:
    open_page, service = browse
    printed = open_page("--dump-dom")
    operations = [
        method for path in service.client.get("/openapi.json").json()["paths"].values() for method in path
    ]
    shown = re.findall(r'class="opblock opblock-(\w+)', printed.stdout)
    assert sorted(shown) == sorted(operations)
    for step in re.findall(r'href="#/(\w+)"', printed.stdout.partition("</header>")[0]):
        assert f'id="operations-tag-{step}"' in printed.stdout
    # What the content security policy blocks, and what a script stumbles over, is told on the console.
    assert [line for line in printed.stderr.splitlines() if "CONSOLE" in line] == []


def test_a_picture_of_the_page(browse, tmp_path) -> None:
    open_page, _ = browse
    picture = Path(os.environ.get("DOCS_SCREENSHOT", tmp_path / "docs.png"))
    open_page("--window-size=1280,1600", "--hide-scrollbars", f"--screenshot={picture}")
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 50_000  # an empty page of this size has a tenth of it
