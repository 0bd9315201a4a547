"""All data sets, networks, jobs and models of a service."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from backpropd_client.core import datasets, models, networks, things
from backpropd_client.synchronous.doer import Doer
from backpropd_client.synchronous.things import Dataset, Job, Model, Network, Thing

AnyThing = TypeVar("AnyThing", bound=Thing)


class Collection(Generic[AnyThing]):
    """All things of a kind that the key may see; iterate over it, newest first."""

    def __init__(self, doer: Doer, kind: type[AnyThing]) -> None:
        self._doer = doer
        self._kind = kind

    def get(self, id: str) -> AnyThing:  # noqa: A002 - the word for it
        """The thing with this id; a model by its name or name:version too."""
        return self._kind(self._doer.run(things.read(self._kind.PATH, id)), self._doer)

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete it for good."""
        self._doer.run(things.delete(self._kind.PATH, id))

    def list(self, **filters: str | None) -> Iterator[AnyThing]:
        """Those of a `name`, `status` or `tag`, as the thing has them; fetched in pages as they are needed."""
        pages = things.Pages(self._kind.PATH, filters)
        while pages.left:
            for data in self._doer.run(pages.next()):
                yield self._kind(data, self._doer)

    def __iter__(self) -> Iterator[AnyThing]:
        return self.list()


class Datasets(Collection[Dataset]):
    """Uploaded tables."""

    def upload(
        self,
        data: datasets.Data,
        *,
        name: str | None = None,
        image_size: int | None = None,
        sheet: str | None = None,
        types: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Dataset:
        """Upload a path, a DataFrame, a list of dicts, or arrays (x, y); it is streamed from the disk.

        `types`: what columns are where their values do not tell, as in {"year": "categorical"}. Categories of pandas
        and polars are so by themselves; only those keep leading zeros (of pandas with pyarrow installed), which text
        that looks like numbers loses. `image_size`, `sheet`: as in POST /v1/datasets.
        """
        uploaded = datasets.upload(
            data, name=name, image_size=image_size, sheet=sheet, types=types, key=idempotency_key
        )
        return self._kind(self._doer.run(uploaded), self._doer)


class Networks(Collection[Network]):
    """Networks that were defined."""

    def create(
        self,
        name: str,
        *,
        layers: Sequence[Mapping[str, Any]] | None = None,
        template: Mapping[str, Any] | None = None,
    ) -> Network:
        """Define a network by its layers, or as a template such as {"kind": "mlp", "hidden": [64, 64]}."""
        return self._kind(self._doer.run(networks.create(name, layers, template)), self._doer)


class Jobs(Collection[Job]):
    """Trainings."""


class Models(Collection[Model]):
    """Trained models."""

    def import_file(self, path: str | Path, name: str) -> Model:
        """A model from a file that was exported as safetensors, as the next version of `name`."""
        return self._kind(self._doer.run(models.import_file(path, name)), self._doer)
