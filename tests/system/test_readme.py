"""The README's walk runs as it stands, prints what it shows, and does so a second time."""

import re
import subprocess
from itertools import pairwise

import pytest
from readme import README, ROOT, blocks
from serving import Running

pytestmark = pytest.mark.slow

ADDRESS = "API=http://127.0.0.1:8000\n"
MARK = "--- end of block {} ---"
VARIES = re.compile(r"(?<=_)[0-9a-f]{32}|\d+(?:\.\d+)?(?:e-?\d+)?")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("readme") / "data")
    yield running
    running.close()


@pytest.fixture(scope="module")
def printed(service):
    """What each block prints, in one session of bash."""
    return walk(service)


def walk(service):
    steps = blocks("bash")
    assert steps[0].startswith(ADDRESS)
    steps[0] = steps[0].replace(ADDRESS, f"API={service.url}\n")
    marked = [f"{step}echo '{MARK.format(number)}'\n" for number, step in enumerate(steps)]
    script = "set -euo pipefail\n" + "".join(marked)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return re.split(re.escape(MARK).replace(r"\{\}", r"\d+") + "\n", done.stdout)[:-1]


def shown():
    """The text that follows each bash block before the next one; None where there is none."""
    starts = [found.start() for found in re.finditer(r"^```bash$", README, re.MULTILINE)]
    return [next(iter(blocks("text", README[a:b])), None) for a, b in pairwise([*starts, len(README)])]


def as_pattern(text):
    """A shown text, with anything for `...`, and any number and id where one is shown."""
    return r"[\s\S]*?".join(_with_any_numbers(part) for part in re.split(r"\s*\.\.\.\s*", text.strip()))


def _with_any_numbers(text):
    literals = map(re.escape, VARIES.split(text))
    return r"[-\w.]+".join(literals)


def test_it_prints_what_it_shows(printed):
    texts = shown()
    assert len(texts) == len(printed)
    assert texts.count(None) == 1  # the shorthands print nothing
    for text, output in zip(texts, printed, strict=True):
        assert re.fullmatch(as_pattern(text or ""), output.strip()), (text, output)


def test_the_model_is_good(printed):
    (accuracy,) = re.findall(
        r"^\{'rows': 69, 'of': 'validation', 'accuracy': ([\d.]+)", "".join(printed), re.MULTILINE
    )
    assert float(accuracy) >= 0.95


def test_it_cleans_up_and_can_be_walked_again(service, printed):
    assert len(walk(service)) == len(printed)
    for things in ("datasets", "networks", "jobs", "models"):
        assert service.client.get(f"/v1/{things}").json()["items"] == [], things
