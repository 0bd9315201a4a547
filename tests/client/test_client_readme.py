"""The client's README runs as it stands, in one session of Python, and prints what it shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "client" / "README.md").read_text()
MARK = "--- end of block ---"
FIGURE = re.compile(r"\b[01]\.\d+")


def test_it_prints_what_it_shows(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == README.count("```python") >= 5
    script = "".join(f"{code}\nprint({MARK!r})\n" for code, _ in blocks)
    (tmp_path / "walk.py").write_text(script.replace("penguins.py", str(tmp_path / "penguins.py")))
    service = Running(tmp_path / "data")
    try:
        monkeypatch.setenv("BACKPROPD_URL", service.url)
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "client"))
        command = [sys.executable, "-W", "error", str(tmp_path / "walk.py")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    finally:
        service.close()
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split(f"{MARK}\n")[:-1]
    for (code, shown), output in zip(blocks, printed, strict=True):
        assert FIGURE.sub("0.9", output) == FIGURE.sub("0.9", shown), code
    assert all(float(accuracy) > 0.95 for accuracy in FIGURE.findall(printed[0]))
    assert re.search(r"succeeded  epoch \d+/64  loss \S+  validation \S+\n", done.stderr)
    assert (tmp_path / "penguins.py").stat().st_size > 1000
