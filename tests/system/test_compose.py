"""docker-compose.yml keeps what it promises of its two services, and of the database that they may have."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
POSTGRES: dict[str, Any] = COMPOSE["services"]["postgres"]
SERVICES: dict[str, dict[str, Any]] = {
    name: service for name, service in COMPOSE["services"].items() if "profiles" not in service
}
PASSWORD = "BACKPROPD_POSTGRES_PASSWORD"


def test_api_and_worker_are_one_image_over_one_volume() -> None:
    assert set(SERVICES) == {"api", "worker"}
    assert len({service["image"] for service in SERVICES.values()}) == 1
    assert all(service["volumes"] == ["data:/data"] for service in SERVICES.values())
    assert "data" in COMPOSE["volumes"]


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_service_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    assert service["cpus"]
    assert service["mem_limit"] == "3g"
    assert int(service["environment"]["BACKPROPD_MEMORY_BUDGET"]) < 3 << 30
    assert service["pids_limit"]
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]
    assert "privileged" not in service


def test_api_is_published_on_loopback_alone() -> None:
    assert SERVICES["api"]["ports"] == ["127.0.0.1:8000:8000"]
    assert SERVICES["api"]["environment"]["BACKPROPD_ALLOW_INSECURE_BIND"] == "1"
    assert "ports" not in SERVICES["worker"]


def test_worker_waits_for_the_migrated_database_and_tells_its_health() -> None:
    assert SERVICES["worker"]["depends_on"]["api"]["condition"] == "service_healthy"
    assert SERVICES["worker"]["healthcheck"]["test"][0] == "CMD"


def with_password(text: str, password: str) -> str:
    """Compose's `${NAME:+text}` and `${NAME:-}`, as they are used here."""
    text = re.sub(rf"\$\{{{PASSWORD}:\+([^}}]*)\}}", r"\1" if password else "", text)
    return text.replace(f"${{{PASSWORD}:-}}", password)


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
@pytest.mark.parametrize(
    ("password", "url"), [("", None), ("secret", "postgresql://backpropd@postgres/backpropd")]
)
def test_a_password_alone_decides_on_the_database(
    service: dict[str, Any], password: str, url: str | None
) -> None:
    environment = {name: with_password(value, password) for name, value in service["environment"].items()}
    assert Settings.load(environment).database_url == url
    assert environment["PGPASSWORD"] == password


def test_postgres_is_there_with_its_profile_alone_and_waited_for() -> None:
    assert POSTGRES["profiles"] == ["postgres"]
    wanted = {"condition": "service_healthy", "required": False}
    assert SERVICES["api"]["depends_on"]["postgres"] == wanted
    assert SERVICES["worker"]["depends_on"] == {"api": {"condition": "service_healthy"}}


def test_postgres_has_no_default_password_and_no_port() -> None:
    assert POSTGRES["environment"]["POSTGRES_PASSWORD"] == f"${{{PASSWORD}:-}}"
    assert "POSTGRES_HOST_AUTH_METHOD" not in POSTGRES["environment"]
    assert "--auth-host=scram-sha-256" in POSTGRES["environment"]["POSTGRES_INITDB_ARGS"]
    assert "ports" not in POSTGRES


def test_postgres_is_confined_and_keeps_its_data() -> None:
    assert POSTGRES["read_only"]
    assert POSTGRES["cap_drop"] == ["ALL"]
    assert set(POSTGRES["cap_add"]) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    assert "no-new-privileges:true" in POSTGRES["security_opt"]
    assert POSTGRES["mem_limit"]
    assert POSTGRES["pids_limit"]
    assert POSTGRES["volumes"] == ["postgres:/var/lib/postgresql/data"]
    assert "postgres" in COMPOSE["volumes"]


def test_the_image_can_speak_to_postgres() -> None:
    root = Path(__file__).parents[2]
    assert "-r requirements-postgres.txt" in (root / "Dockerfile").read_text()
    assert "\npsycopg-binary==" in (root / "requirements-postgres.txt").read_text()


def test_the_password_s_file_goes_neither_into_git_nor_into_the_image() -> None:
    root = Path(__file__).parents[2]
    assert "/.env" in (root / ".gitignore").read_text().splitlines()
    assert (root / ".dockerignore").read_text().splitlines()[1] == "*"
