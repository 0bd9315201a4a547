"""Settings: each is a field here, an environment variable BACKPROPD_<NAME> and an option --<name>."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

PREFIX = "BACKPROPD_"


def _half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


class Settings(BaseModel):
    """How the service runs. Defaults suit one person on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(Path("data"), description="Folder that holds the database, data sets and models.")
    workers: NonNegativeInt = Field(1, description="Training workers beside the API; 0 for the API alone.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the database; left out, a SQLite file in the data folder."
    )
    allow_insecure_bind: bool = Field(
        False, description="Permit an address other than loopback although there are no keys."
    )
    allowed_hosts: str = Field(
        "", description="Host names to answer to besides loopback's and --host, separated by commas."
    )
    max_json_bytes: PositiveInt = Field(1 << 20, description="Largest JSON body in bytes.")
    max_predict_bytes: PositiveInt = Field(32 << 20, description="Largest body of a prediction in bytes.")
    max_upload_bytes: PositiveInt = Field(
        1 << 30, description="Largest upload in bytes, decompressed as well."
    )
    read_seconds: PositiveFloat = Field(300.0, description="Time limit for reading one upload.")
    memory_budget: PositiveInt = Field(
        default_factory=_half_of_memory,
        description="Bytes of memory that one job may need; the default is half of the machine's.",
    )
    blas_threads: PositiveInt = Field(
        default_factory=lambda: min(2, os.cpu_count() or 1),
        description="BLAS threads of one job; part of what makes it reproducible.",
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

    @field_validator("kernels")
    @classmethod
    def _installed(cls, kernels: str) -> str:
        if kernels == "numba" and find_spec("numba") is None:
            raise ValueError("numba is not installed: it comes with the extra fast")
        return kernels

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'backpropd.db'}"

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
