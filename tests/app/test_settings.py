"""Settings come from options, else the environment, else defaults that suit one person on one machine."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings

CHANGED = {
    "host": "::1",
    "port": 0,
    "data": Path("/srv/100 % data"),
    "workers": 0,
    "database_url": "sqlite:////srv/x.db",
    "allow_insecure_bind": True,
    "allowed_hosts": "a.example, b.example",
    "max_json_bytes": 1,
    "max_predict_bytes": 2,
    "max_upload_bytes": 3,
    "slow_client_seconds": 0.75,
    "max_connections": 10,
    "max_connections_per_address": 11,
    "max_storage_bytes": 12,
    "max_queued_jobs": 13,
    "rate_per_minute": 14,
    "predictions_per_minute": 15,
    "api_processes": 3,
    "invocations_model": "penguins",
    "read_seconds": 0.25,
    "evaluate_seconds": 1.25,
    "explain_seconds": 1.75,
    "memory_budget": 4,
    "total_memory": 6,
    "checkpoint_seconds": 0.5,
    "lease_seconds": 9.0,
    "heartbeat_seconds": 1.5,
    "grace_seconds": 2.5,
    "keep_history_days": 7,
    "keep_events_days": 8,
    "keep_checkpoints": 0,
    "keep_audit_days": 9,
    "webhook_allowed_hosts": "*.example.com,10.0.0.0/8",
    "blas_threads": 5,
    "kernels": "numpy",
    "log_level": "debug",
}


def test_the_defaults_are_safe():
    settings = Settings.load({})
    assert (settings.host, settings.allow_insecure_bind, settings.database_url) == ("127.0.0.1", False, None)
    assert settings.hosts == {"127.0.0.1", "localhost", "[::1]"}
    assert settings.memory_budget == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    assert settings.threads_of_a_job in {1, 2}


@pytest.mark.parametrize(
    ("processors", "workers", "threads"),
    [(1, 1, 1), (2, 0, 2), (2, 1, 2), (2, 2, 1), (8, 1, 2), (8, 4, 2), (8, 5, 1), (2, 9, 1)],
)
def test_jobs_share_the_processors(monkeypatch, processors, workers, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert Settings(workers=workers).threads_of_a_job == threads
    assert Settings(workers=workers, blas_threads=3).threads_of_a_job == 3


def test_options_come_before_the_environment():
    environ = {"BACKPROPD_PORT": "1", "BACKPROPD_WORKERS": "2", "PORT": "3", "BACKPROPD_OF_ANOTHER": "x"}
    settings = Settings.load(environ, port="4", workers=None, host=None)
    assert (settings.port, settings.workers, settings.host) == (4, 2, "127.0.0.1")


@pytest.mark.parametrize("settings", [Settings(), Settings(**CHANGED)], ids=["defaults", "all changed"])
def test_a_child_process_gets_the_same(settings):
    assert Settings.load(settings.environment()) == settings


def test_a_heartbeat_is_well_within_the_lease():
    with pytest.raises(ValueError, match="at most half of lease_seconds"):
        Settings(lease_seconds=3, heartbeat_seconds=2)


def test_the_child_is_tested_with_every_setting():
    default = Settings()
    assert {name for name, value in Settings(**CHANGED) if value != getattr(default, name)} == set(
        Settings.model_fields
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("port", ""),
        ("workers", "-1"),
        ("workers", "1.5"),
        ("max_json_bytes", "0"),
        ("max_upload_bytes", "1 GB"),
        ("read_seconds", "0"),
        ("read_seconds", "nan"),
        ("memory_budget", "0"),
        ("blas_threads", "0"),
        ("kernels", "fortran"),
        ("log_level", "loud"),
        ("allow_insecure_bind", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(ValidationError) as caught:
        Settings.load({f"BACKPROPD_{name.upper()}": value})
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


@pytest.mark.skipif(find_spec("numba") is not None, reason="numba is installed")
def test_compiled_kernels_are_refused_where_they_are_not_installed():
    with pytest.raises(ValidationError, match="numba is not installed"):
        Settings(kernels="numba")


def test_every_wrong_value_is_named():
    with pytest.raises(ValidationError) as caught:
        Settings.load({"BACKPROPD_PORT": "x"}, workers="y", prot="1")
    assert {error["loc"] for error in caught.value.errors()} == {("port",), ("workers",), ("prot",)}


def test_the_command_line_says_what_is_wrong():
    command = [sys.executable, "-m", "app.cli", "worker", "--log-level", "loud"]
    environ = {**os.environ, "BACKPROPD_WORKERS": "x"}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    head, *lines = ended.stderr.splitlines()
    assert head == "backpropd: wrong settings"
    assert [line.partition(":")[0] for line in lines] == ["  workers", "  log_level"]


def test_the_database_lies_in_the_data_folder_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings(data=Path("d")).url == f"sqlite:///{tmp_path}/d/backpropd.db"
    assert Settings(database_url="").url.endswith("/data/backpropd.db")
    assert Settings(database_url="sqlite:////srv/x.db").url == "sqlite:////srv/x.db"


def test_hosts_that_are_answered():
    settings = Settings(host="0.0.0.0", allowed_hosts=" a.example ,,b.example")
    assert settings.hosts == {"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "a.example", "b.example"}


def test_log_levels_in_any_case():
    assert Settings(log_level="WARNING").log_level == "warning"


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
