"""The fields of data sets, networks, jobs and models, the same for both clients.

`data` holds all that the service says of a thing (see /docs of the service); the properties are what is asked for most.
"""

from typing import Any, ClassVar


class Resource:
    """A thing of the service's, as it was when it was read."""

    PATH: ClassVar[str]
    LEFT_OUT: ClassVar[str]
    """A field that lists leave out."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.data["id"])

    @property
    def is_whole(self) -> bool:
        """Whether `data` holds everything: of things from a list some is left out."""
        return self.LEFT_OUT in self.data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class DatasetFields(Resource):
    """An uploaded table."""

    PATH = "/v1/datasets"
    LEFT_OUT = "columns"

    @property
    def name(self) -> str:
        """Its label."""
        return str(self.data["name"])

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.data["rows"])


class NetworkFields(Resource):
    """A network that was defined."""

    PATH = "/v1/networks"
    LEFT_OUT = "layers"

    @property
    def name(self) -> str:
        """Its label."""
        return str(self.data["name"])


class JobFields(Resource):
    """A training."""

    PATH = "/v1/jobs"
    LEFT_OUT = "training"

    @property
    def status(self) -> str:
        """queued, running, paused, succeeded, failed or cancelled."""
        return str(self.data["status"])

    @property
    def model_id(self) -> str | None:
        """The id of its model, once it has succeeded."""
        found: str | None = self.data["model_id"]
        return found

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the training doctor has found, in order: each with a title, an explanation and, often, a remedy."""
        return list(self.data["findings"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"


class ModelFields(Resource):
    """A trained model."""

    PATH = "/v1/models"
    LEFT_OUT = "features"

    @property
    def name(self) -> str:
        """Its name, which versions share."""
        return str(self.data["name"])

    @property
    def version(self) -> int:
        """Its number within the name, from 1."""
        return int(self.data["version"])

    @property
    def task(self) -> str:
        """What it answers: binary, multiclass, regression, ..."""
        return str(self.data["task"])

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """The report on its validation rows, if any were kept."""
        found: dict[str, Any] | None = self.data["evaluation"]
        return found

    @property
    def features(self) -> list[str]:
        """The columns that it reads, in the order of `inputs`."""
        return [str(feature["name"]) for feature in self.data["features"]]

    @property
    def classes(self) -> list[Any] | None:
        """The labels that it chooses from, where it chooses."""
        found: list[Any] | None = self.data["target"].get("classes")
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}:{self.version}>"
