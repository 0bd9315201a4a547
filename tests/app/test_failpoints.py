"""Named places where a process may be made to die: off unless the environment says so."""

import signal
import subprocess
import sys

import pytest

from app.failpoints import failpoint

PASSES = (
    "from app.failpoints import failpoint\nfor _ in range(3): failpoint('here'); print('passed', flush=True)"
)


def passing(setting, **more):
    """A process that passes the failpoint `here` three times."""
    return subprocess.run(
        [sys.executable, "-c", PASSES],
        env={"BACKPROPD_FAILPOINTS": setting, **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_happens_without_the_variable():
    failpoint("here")


@pytest.mark.parametrize(("setting", "passed"), [("here:kill", 0), ("there:kill,here@3:kill", 2)])
def test_kill(setting, passed):
    process = passing(setting)
    assert process.returncode == -signal.SIGKILL
    assert process.stdout.count("passed") == passed


def test_another_place_is_passed():
    assert passing("there:kill,here@4:kill").stdout.count("passed") == 3


def test_an_error_of_the_system():
    process = passing("here@2:error=ENOSPC")
    assert process.stdout.count("passed") == 1
    assert "No space left on device" in process.stderr


def test_once_in_all_processes(tmp_path):
    once = {"BACKPROPD_FAILPOINTS_ONCE": str(tmp_path)}
    assert passing("here@2:kill", **once).returncode == -signal.SIGKILL
    assert passing("here@2:kill", **once).stdout.count("passed") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_an_unknown_action_says_so():
    assert "there is no action 'explode'" in passing("here:explode").stderr
