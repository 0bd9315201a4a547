"""Requests made from /openapi.json, valid and invalid, with every check that schemathesis knows.

The suite sends the same requests each time, as many of them as there is time for. `make explore` sends others, and
chains of them, for as long as it is told (SCHEMATHESIS_SECONDS).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from serving import PENGUINS, Running

pytestmark = pytest.mark.slow

EXPLORING = "SCHEMATHESIS_SECONDS" in os.environ
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "80"))
PHASES = ("Examples", "Coverage", "Fuzzing", *(("Stateful",) if EXPLORING else ()))


@pytest.fixture
def service(tmp_path):
    running = Running(tmp_path / "data")
    dataset = running.upload(PENGUINS.read_bytes())
    request = {"training": {"epochs": 1}, "model_name": "species-penguins"}
    running.until(running.launch(dataset, "species", **request), "succeeded")
    yield running
    running.close()


def test_the_service_does_what_its_document_says(service, tmp_path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
        "run",
        f"{service.url}/openapi.json",
        "--checks=all",
        f"--phases={','.join(PHASES).lower()}",
        f"--max-time={SECONDS}",
        *([] if EXPLORING else ["--generation-deterministic"]),
        "--suppress-health-check=all",  # of Hypothesis: the machine may be slow
        "--no-color",
    ]
    here = str(Path(__file__).parent)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": here}
    ran = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,  # where it leaves notes
        env=environment,
        capture_output=True,
        text=True,
        timeout=600 + 4 * SECONDS,
    )
    assert ran.returncode == 0, re.sub("(.{500}).*", r"\1...", ran.stdout)[-20_000:]
    operations = sum(len(path) for path in service.client.get("/openapi.json").json()["paths"].values())
    tested = int(re.search(r"Tested: (\d+)", ran.stdout)[1])
    assert tested == operations - 1  # all but the stream of events
    assert int(re.search(r"(\d+) generated", ran.stdout)[1]) > operations  # many more on a quick machine
    for phase in PHASES:
        assert re.search(rf"✅ {phase}", ran.stdout), ran.stdout[-3000:]
    log = Path(service.log.name).read_text().splitlines()
    assert [line for line in log if json.loads(line).get("status") == 500] == []
    assert service.client.get("/healthz").status_code == 200
