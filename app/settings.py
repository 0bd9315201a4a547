"""Settings: each is a field here, an environment variable BACKPROPD_<NAME> and an option --<name>."""

import os
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from app.webhooks.destinations import Destinations

PREFIX = "BACKPROPD_"


def _memory(share: float) -> int:
    """A share of the machine's memory in bytes."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * share)


class Settings(BaseModel):
    """How the service runs. Defaults suit one person on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(Path("data"), description="Folder that holds the database, data sets and models.")
    api_processes: PositiveInt = Field(
        1,
        description="Processes that answer requests. Each counts its metrics, connections and a key's rates by itself.",
    )
    workers: NonNegativeInt = Field(1, description="Training workers beside the API; 0 for the API alone.")
    database_url: str | None = Field(
        None,
        description="postgresql://USER@HOST/NAME or sqlite:///FILE; left out, a SQLite file in the data folder. "
        "A password is better left to PGPASSWORD or a passfile. PostgreSQL needs the extra postgres.",
    )
    allow_insecure_bind: bool = Field(
        False, description="Permit an address other than loopback although there are no keys."
    )
    allowed_hosts: str = Field(
        "", description="Host names to answer to besides loopback's and --host, separated by commas."
    )
    max_json_bytes: PositiveInt = Field(1 << 20, description="Largest JSON body in bytes.")
    max_predict_bytes: PositiveInt = Field(
        32 << 20,
        description="Largest body of a prediction in bytes; an Arrow stream or .npy file may have eight times as many.",
    )
    max_upload_bytes: PositiveInt = Field(
        1 << 30, description="Largest upload in bytes, decompressed as well."
    )
    slow_client_seconds: PositiveFloat = Field(
        10.0,
        description="Time that a client has to send the headers of a request, and over which a body must come, "
        "and an answer be taken, at 1 KiB a second or more.",
    )
    max_connections: PositiveInt = Field(
        4096, description="Most connections at a time; fewer where the system's limit on open files is lower."
    )
    max_connections_per_address: PositiveInt = Field(
        2048, description="Most connections at a time of one client address, which may be a proxy's."
    )
    max_storage_bytes: PositiveInt | None = Field(
        None,
        description="Bytes of data sets and models that one owner may keep; left out, what the disk holds.",
    )
    max_queued_jobs: PositiveInt = Field(1000, description="Jobs of one owner that may wait in the queue.")
    rate_per_minute: NonNegativeInt = Field(
        600, description="Requests that one key may send in a minute, predictions apart; 0: any number."
    )
    predictions_per_minute: NonNegativeInt = Field(
        6000, description="Predictions and evaluations that one key may ask for in a minute; 0: any number."
    )
    invocations_model: str | None = Field(
        None, description="The model that POST /invocations asks where the request names none."
    )
    read_seconds: PositiveFloat = Field(300.0, description="Time limit for reading one upload.")
    evaluate_seconds: PositiveFloat = Field(
        300.0, description="Time limit for holding a model against a data set."
    )
    explain_seconds: PositiveFloat = Field(120.0, description="Time limit for one explanation.")
    memory_budget: PositiveInt = Field(
        default_factory=lambda: _memory(0.5),
        description="Bytes of memory that one job may need; the default is half of the machine's.",
    )
    total_memory: PositiveInt = Field(
        default_factory=lambda: _memory(0.8),
        description="Bytes of memory that jobs on one machine may need together, by their plans; a job that "
        "runs alone may always run. The default is 0.8 of the machine's.",
    )
    checkpoint_seconds: PositiveFloat = Field(
        10.0, description="Least time between two checkpoints of a running job: the most that a crash costs."
    )
    lease_seconds: PositiveFloat = Field(
        30.0, description="Silence after which a worker is taken for dead and its job is given to another."
    )
    heartbeat_seconds: PositiveFloat = Field(
        10.0, description="Time between a worker's signs of life; at most half of lease_seconds."
    )
    grace_seconds: PositiveFloat = Field(
        10.0, description="Time that workers have at the end to write a checkpoint and give their jobs back."
    )
    keep_history_days: NonNegativeInt = Field(
        0, description="Days after its end that a job keeps its loss history; 0: for ever."
    )
    keep_events_days: NonNegativeInt = Field(
        0, description="Days after its end that a job keeps its events but those of its status; 0: for ever."
    )
    keep_checkpoints: NonNegativeInt = Field(
        1, description="Checkpoints that a finished job keeps, to be continued or tried again from."
    )
    keep_audit_days: NonNegativeInt = Field(
        0, description="Days that the log of changes goes back; 0: for ever."
    )
    webhook_allowed_hosts: str = Field(
        "",
        description="Hosts that webhooks may be sent to, with commas between: names (hooks.example.com, "
        "*.example.com), addresses and networks (10.0.0.0/8), which those not on the internet need besides their "
        "name; left out, none.",
    )
    blas_threads: PositiveInt | None = Field(
        None,
        description="BLAS threads of one job; part of what makes it reproducible. Left out, at most 2, and no more "
        "for all workers' jobs together than there are processors.",
    )
    kernels: Literal["auto", "numpy", "numba"] = Field(
        "auto",
        description="What computes a job's element-wise steps: numba, which the extra fast brings, numpy, or "
        "auto, the first where it is installed.",
    )
    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be debug, info, warning or error")
        return level.lower()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        if not url:  # as a variable that is set to nothing
            return None
        if url.startswith("sqlite:///"):
            return url
        if not url.startswith(("postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with postgresql:// or sqlite:///")
        if find_spec("psycopg") is None:
            raise ValueError("PostgreSQL needs psycopg, which comes with the extra postgres")
        return url

    @field_validator("heartbeat_seconds")
    @classmethod
    def _within_the_lease(cls, heartbeat: float, info: ValidationInfo) -> float:
        if heartbeat > info.data.get("lease_seconds", heartbeat * 2) / 2:
            raise ValueError("must be at most half of lease_seconds")
        return heartbeat

    @field_validator("webhook_allowed_hosts")
    @classmethod
    def _known_destinations(cls, hosts: str) -> str:
        Destinations.named(hosts)
        return hosts

    @field_validator("kernels")
    @classmethod
    def _installed(cls, kernels: str) -> str:
        if kernels == "numba" and find_spec("numba") is None:
            raise ValueError("numba is not installed: it comes with the extra fast")
        return kernels

    @property
    def destinations(self) -> Destinations:
        """Where webhooks may be sent to."""
        return Destinations.named(self.webhook_allowed_hosts)

    @property
    def lease(self) -> timedelta:
        """How long a worker's sign of life holds."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'backpropd.db'}"

    @property
    def threads_of_a_job(self) -> int:
        """BLAS threads. With more than there are processors they wait for each other: five times as slow (measured)."""
        shared = len(os.sched_getaffinity(0)) // max(1, self.workers)
        return self.blas_threads or max(1, min(2, shared))

    @property
    def hosts(self) -> frozenset[str]:
        """Every host name that the service answers to."""
        named = {name.strip() for name in self.allowed_hosts.split(",") if name.strip()}
        return frozenset({"127.0.0.1", "localhost", "[::1]", self.host} | named)

    @classmethod
    def load(cls, environ: Mapping[str, str], **options: object) -> "Settings":
        """Settings from the environment, overridden by the options that are not None.

        Raises pydantic's `ValidationError`, a `ValueError`, naming each wrong setting.
        """
        values: dict[str, object] = {
            name: environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if PREFIX + name.upper() in environ
        }
        values |= {name: value for name, value in options.items() if value is not None}
        return cls.model_validate(values)

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        return {PREFIX + name.upper(): str(value) for name, value in self if value is not None}
