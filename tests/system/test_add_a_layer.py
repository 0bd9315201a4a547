"""The README's way to add a layer, followed to the letter in a copy of the engine."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from readme import ROOT, blocks

pytestmark = pytest.mark.slow

LAYER, LINE, CASE = blocks("python")

FEW = "every_kind or relu or scale"  # the test that demands a case, and enough beside it

USE = """
from engine.catalog import catalog
from engine.network import Network, NetworkSpec

layers = [{"kind": "dense", "units": 4}, {"kind": "scale"}, {"kind": "relu"}, {"kind": "dense"}]
built = NetworkSpec.model_validate({"layers": layers}).resolve(2).build((3,))
print([layer.param_shapes for layer in built][1])
print([entry.formula for entry in catalog().layers if entry.kind == "scale"])
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The engine with the README's file and line."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "engine", folder / "engine")  # with its caches: to compile it anew takes long
    shutil.copytree(ROOT / "tests" / "engine", folder / "tests" / "engine")
    (folder / "engine/layers/scale.py").write_text(LAYER)
    insert(
        folder / "engine/layers/__init__.py", LINE, before="from engine.layers.activations.smooth_rectifiers"
    )
    return folder


def insert(path, text, *, before):
    old = path.read_text()
    assert old.count(before) == 1, before
    path.write_text(old.replace(before, text + before))


def python(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def gradients(folder, *options):
    return python(
        folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engine/test_gradients.py", *options
    )


def test_the_new_kind_is_in_networks_and_in_the_catalog(copy):
    done = python(copy, "-c", USE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["{'s': (4,)}", "['y_i = s_i x_i']"]


def test_the_gradient_table_demands_a_case_and_checks_it(copy):
    without = gradients(copy, "-k", FEW)
    assert without.returncode == 1, without.stdout
    before = re.search(r"^1 failed, (\d+) passed", without.stdout, re.MULTILINE)
    assert before, without.stdout
    assert "scale" in without.stdout

    cases = copy / "tests/engine/layer_cases/basic.py"
    insert(cases, LINE, before="from engine.layers.activations.smooth_rectifiers")
    insert(cases, CASE, before="    LayerCase(SoftmaxSpec()),\n")
    joined = gradients(copy, "-k", FEW)
    assert joined.returncode == 0, joined.stdout
    after = re.search(r"^(\d+) passed", joined.stdout, re.MULTILINE)
    assert after, joined.stdout
    assert int(after[1]) > int(before[1]) + 1, "the case that was demanded, and those of the layer"


def test_a_wrong_gradient_is_found(copy):
    layer = copy / "engine/layers/scale.py"
    assert LAYER.count("dy *= self._s") == 1
    layer.write_text(LAYER.replace("dy *= self._s", "dy *= 2 * self._s"))
    done = gradients(copy, "-k", "scale")
    layer.write_text(LAYER)
    assert done.returncode == 1, done.stdout
