"""As synchronous/collections.py, to be awaited."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from backpropd_client.asynchronous.doer import AsyncDoer
from backpropd_client.asynchronous.things import AsyncDataset, AsyncJob, AsyncModel, AsyncNetwork, AsyncThing
from backpropd_client.core import datasets, models, networks, things

AnyThing = TypeVar("AnyThing", bound=AsyncThing)


class AsyncCollection(Generic[AnyThing]):
    """As `Collection`."""

    def __init__(self, doer: AsyncDoer, kind: type[AnyThing]) -> None:
        self._doer = doer
        self._kind = kind

    async def get(self, id: str) -> AnyThing:  # noqa: A002
        """As `Collection.get`."""
        return self._kind(await self._doer.run(things.read(self._kind.PATH, id)), self._doer)

    async def delete(self, id: str) -> None:  # noqa: A002
        """As `Collection.delete`."""
        await self._doer.run(things.delete(self._kind.PATH, id))

    async def list(self, **filters: str | None) -> AsyncIterator[AnyThing]:
        """As `Collection.list`."""
        pages = things.Pages(self._kind.PATH, filters)
        while pages.left:
            for data in await self._doer.run(pages.next()):
                yield self._kind(data, self._doer)

    def __aiter__(self) -> AsyncIterator[AnyThing]:
        return self.list()


class AsyncDatasets(AsyncCollection[AsyncDataset]):
    """As `Datasets`."""

    async def upload(
        self,
        data: datasets.Data,
        *,
        name: str | None = None,
        image_size: int | None = None,
        sheet: str | None = None,
        types: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncDataset:
        """As `Datasets.upload`."""
        uploaded = datasets.upload(
            data, name=name, image_size=image_size, sheet=sheet, types=types, key=idempotency_key
        )
        return self._kind(await self._doer.run(uploaded), self._doer)


class AsyncNetworks(AsyncCollection[AsyncNetwork]):
    """As `Networks`."""

    async def create(
        self,
        name: str,
        *,
        layers: Sequence[Mapping[str, Any]] | None = None,
        template: Mapping[str, Any] | None = None,
    ) -> AsyncNetwork:
        """As `Networks.create`."""
        return self._kind(await self._doer.run(networks.create(name, layers, template)), self._doer)


class AsyncJobs(AsyncCollection[AsyncJob]):
    """As `Jobs`."""


class AsyncModels(AsyncCollection[AsyncModel]):
    """As `Models`."""

    async def import_file(self, path: str | Path, name: str) -> AsyncModel:
        """As `Models.import_file`."""
        return self._kind(await self._doer.run(models.import_file(path, name)), self._doer)
