"""The README does what it says: its walk runs as it stands, and so does its way to add a layer."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_walk_runs_as_it_stands(tmp_path):
    service = Running(tmp_path / "data")
    try:
        walk = "\n".join(blocks("bash"))
        assert walk.count("API=http://127.0.0.1:8000") == 1
        script = "set -euo pipefail\n" + walk.replace("API=http://127.0.0.1:8000", f"API={service.url}")
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        for words in (
            '"parameters"',
            "event: epoch",
            "event: done",
            '"accuracy"',
            '"label":"Gentoo"',
            '"warnings"',
        ):
            assert words in done.stdout, (words, done.stdout)
        assert service.client.get("/v1/datasets").json()["items"] == []
        assert service.client.get("/v1/models/penguins").json()["dataset_id"] is None
    finally:
        service.close()


def test_a_new_layer_is_one_file_and_one_line(tmp_path):
    shutil.copytree(ROOT / "engine", tmp_path / "engine")
    shutil.copytree(ROOT / "tests" / "engine", tmp_path / "tests")
    (layer,) = (block for block in blocks("python") if "class ScaleSpec" in block)
    (line,) = (block for block in blocks("python") if block.startswith("from engine.layers.scale"))
    (tmp_path / "engine/layers/scale.py").write_text(layer)
    listing = tmp_path / "engine/layers/__init__.py"
    listing.write_text(
        listing.read_text().replace("from engine.layers.softmax", line + "from engine.layers.softmax")
    )

    used = """
from engine.catalog import catalog
from engine.network import NetworkSpec
layers = [{"kind": "scale"}, {"kind": "dense"}]
print(NetworkSpec.model_validate({"layers": layers}).resolve(2).build((3,))[0].param_shapes)
print(any(entry.kind == "scale" for entry in catalog().layers))
"""
    assert python(tmp_path, "-c", used).stdout.split("\n")[:2] == ["{'s': (3,)}", "True"]

    gradients = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_gradients.py"]
    without_a_case = python(tmp_path, *gradients)
    assert without_a_case.returncode == 1, without_a_case.stdout
    assert "scale" in without_a_case.stdout
    cases = tmp_path / "tests/test_gradients.py"
    joined = cases.read_text().replace(
        "\nLAYERS = [\n", f"\n{line}\nLAYERS = [\n    LayerCase(ScaleSpec()),\n"
    )
    cases.write_text(joined)
    with_a_case = python(tmp_path, *gradients, "-k", "scale")
    assert with_a_case.returncode == 0, with_a_case.stdout
    assert re.search(r"[1-9]\d* passed", with_a_case.stdout)


def python(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
