"""The client stands by itself: httpx is all that it needs, and its wheel holds all of it."""

import inspect
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client"

ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"app", "engine", "numpy", "pandas", "polars", "pydantic", "sklearn"}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Refused())
import backpropd_client
from backpropd_client.tables import table_of

assert next(table_of([{"a": 1.0}]).bodies(["a"])) == {"records": [{"a": 1.0}]}
"""


def test_it_needs_httpx_alone():
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=CLIENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_its_wheel_holds_everything(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    source = tmp_path / "client"
    source.mkdir()
    for path in CLIENT.rglob("*"):  # a build leaves its folders beside the sources
        if path.suffix in {".py", ".toml", ".md", ".typed"}:
            (source / path.relative_to(CLIENT)).parent.mkdir(parents=True, exist_ok=True)
            (source / path.relative_to(CLIENT)).write_bytes(path.read_bytes())
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=60)
    (wheel,) = tmp_path.glob("backpropd_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
    sources = {str(path.relative_to(CLIENT)) for path in (CLIENT / "backpropd_client").rglob("*.py")}
    assert names == {*sources, "backpropd_client/py.typed"}


KINDS = ("Client", "Dataset", "Network", "Job", "Model", "Datasets", "Networks", "Jobs", "Models")
RENAMED = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__"}


@pytest.mark.parametrize("kind", KINDS)
def test_both_clients_have_the_same_names_with_the_same_arguments(kind):
    one, other = _methods(_found(kind)), _methods(_found(f"Async{kind}"))
    assert {RENAMED.get(name, name) for name in one} == set(other)
    for name, method in one.items():
        waiting = other[RENAMED.get(name, name)]
        mine, theirs = inspect.signature(method).parameters, inspect.signature(waiting).parameters
        assert list(mine) == list(theirs), name
        for argument in set(mine) - {"self", "transport", "doer", "kind"}:
            assert mine[argument] == theirs[argument], (name, argument)


def _found(name):
    package = "asynchronous" if name.startswith("Async") else "synchronous"
    modules = [import_module(f"backpropd_client.{package}.{module}") for module in ("client", "collections")]
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _methods(kind):
    return {
        name: method
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") or name in {*RENAMED, *RENAMED.values(), "__init__"}
    }
