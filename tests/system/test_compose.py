"""docker-compose.yml keeps what it promises of its two services."""

from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


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
