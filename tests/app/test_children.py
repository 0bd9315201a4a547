"""Work in a child process: its answer, its problem, or what became of it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest

from app.children import PRELOAD, ChildFailed, call, start_fork_server
from app.jobs.process import JobProcess
from app.problems import FieldError, Invalid, NotFound

pytestmark = pytest.mark.slow  # many real children

LIMITS = {"seconds": 60, "memory": 1 << 28}


@pytest.fixture(autouse=True)
def fork_server():
    start_fork_server()
    return forkserver._forkserver._forkserver_pid


@pytest.fixture(autouse=True)
def no_child_left():
    yield
    assert multiprocessing.active_children() == []


def evaluated(expression):
    """What a Python expression is in a child that imports nothing for it."""
    return call("builtins:eval", f"{{'value': {expression}}}", **LIMITS)["value"]


def test_the_answer():
    assert call("json:loads", '{"a": [1, null, "é"]}', **LIMITS) == {"a": [1, None, "é"]}


def test_an_answer_larger_than_a_pipe():
    assert evaluated("'x' * 5_000_000") == "x" * 5_000_000


def test_a_problem_is_carried_over(tmp_path):
    (tmp_path / "x.json").write_bytes(b'[{"a": 1}, {"a": [2]}]')
    with pytest.raises(Invalid) as caught:
        call(
            "app.datasets.runner:read_table",
            tmp_path / "x.json",
            "json",
            tmp_path / "table.arrow",
            **LIMITS,
        )
    sentence = "row 2, key 'a': nested values are not read; flatten them"
    assert (caught.value.code, caught.value.detail) == ("unreadable_file", sentence)
    assert caught.value.errors == [FieldError(pointer="/1/a", detail=sentence)]
    with pytest.raises(NotFound, match="deleted a moment ago"):
        call("app.datasets.runner:read_rows", tmp_path / "none", 0, 1, **LIMITS)


@pytest.mark.parametrize(
    ("function", "args", "sentence"),
    [
        ("builtins:int", ["x"], "ValueError: invalid literal for int() with base 10: 'x'"),
        ("sys:exit", [3], "SystemExit: 3"),
        ("builtins:bytearray", [1 << 29], "it needs more memory than it may have"),
        ("os:_exit", [0], "the process that worked on it died"),
        ("signal:raise_signal", [signal.SIGKILL], "the process that worked on it died"),
        ("signal:raise_signal", [signal.SIGSEGV], "the process that worked on it died"),
    ],
    ids=["error", "exit", "memory", "silent end", "killed", "crashed"],
)
def test_without_an_answer_it_says_why(function, args, sentence):
    with pytest.raises(ChildFailed) as caught:
        call(function, *args, **LIMITS)
    assert str(caught.value) == sentence


def test_a_child_that_takes_too_long_is_killed():
    with pytest.raises(ChildFailed, match=r"^it took longer than 0\.1 seconds$"):
        call("time:sleep", 600, **LIMITS | {"seconds": 0.1})


def test_a_child_whose_parent_was_killed_ends_all_the_same(tmp_path):
    told = tmp_path / "pid"
    work = f"open({str(told)!r}, 'w').write(str(__import__('os').getpid())) and __import__('time').sleep(600)"
    code = f"from app.children import call; call('builtins:eval', {work!r}, seconds=1, memory=1 << 28)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        wait_until(lambda: told.exists() and told.read_text())
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{told.read_text()}").exists())


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_memory_is_counted_beyond_what_the_fork_server_holds():
    assert evaluated("len(bytearray(1 << 27))") == 1 << 27


def test_ctrl_c_is_left_to_the_parent():
    assert evaluated("int(__import__('signal').getsignal(2))") == signal.SIG_IGN


def test_the_fork_server_has_imported_what_children_need():
    assert evaluated(f"[name for name in {PRELOAD} if name not in __import__('sys').modules]") == []


def test_children_need_no_web_framework():
    heavy = ["fastapi", "sqlalchemy", "uvicorn", "pytest"]
    assert evaluated(f"[name for name in {heavy} if name in __import__('sys').modules]") == []


def test_one_fork_server_starts_every_child(fork_server):
    assert [evaluated("__import__('os').getppid()") for _ in range(2)] == [fork_server] * 2


def test_the_fork_server_runs_no_blas_threads(fork_server):
    """They would bear the process's own name; allocators' and polars' background threads bear others."""
    evaluated("1")  # by now the imports are done
    process = Path(f"/proc/{fork_server}")
    names = [(thread / "comm").read_text() for thread in (process / "task").iterdir()]
    assert names.count((process / "comm").read_text()) == 1


@pytest.fixture
def dying_fork_server(fork_server):
    """It has taken the order for a child, and is killed before it has answered."""
    os.kill(fork_server, signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (fork_server, signal.SIGKILL))
    killer.start()
    yield
    killer.join()


@pytest.mark.usefixtures("dying_fork_server")
def test_another_fork_server_answers_where_one_dies():
    assert evaluated("7") == 7


@pytest.mark.usefixtures("dying_fork_server")
def test_a_job_has_its_process_where_a_fork_server_dies():
    process = JobProcess()
    process.end()


def test_where_no_fork_server_lives_it_says_so(monkeypatch):
    def dies(process):
        raise EOFError

    monkeypatch.setattr("multiprocessing.context.ForkServerProcess.start", dies)
    with pytest.raises(ChildFailed, match=r"^no process could be started for it$"):
        call("json:loads", "1", **LIMITS)
