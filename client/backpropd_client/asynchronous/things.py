"""As synchronous/things.py, to be awaited."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

from backpropd_client.asynchronous.doer import AsyncDoer
from backpropd_client.core import datasets, jobs, models, networks, things
from backpropd_client.core.events import Event, Following
from backpropd_client.progress import Callback, Watch
from backpropd_client.resources import DatasetFields, JobFields, ModelFields, NetworkFields, Resource


class AsyncThing(Resource):
    """As `Thing`."""

    def __init__(self, data: dict[str, Any], doer: AsyncDoer) -> None:
        super().__init__(data)
        self._doer = doer

    async def refresh(self) -> Self:
        """As `Thing.refresh`."""
        await self._doer.run(things.refresh(self))
        return self

    async def delete(self) -> None:
        """As `Thing.delete`."""
        await self._doer.run(things.delete(self.PATH, self.id))


class AsyncDataset(AsyncThing, DatasetFields):
    """As `Dataset`."""


class AsyncNetwork(AsyncThing, NetworkFields):
    """As `Network`."""

    async def summary(self, input_shape: Sequence[int], outputs: int) -> dict[str, Any]:
        """As `Network.summary`."""
        return await self._doer.run(networks.summary(self.id, input_shape, outputs))


class AsyncJob(AsyncThing, JobFields):
    """As `Job`."""

    async def wait(self, *, progress: bool | Callback = False, timeout: float | None = None) -> "AsyncModel":
        """As `Job.wait`."""
        await self._doer.run(things.detailed(self))
        watch = Watch(self, progress)
        async for event in self.events(timeout=timeout):
            watch.see(event)
        return AsyncModel(await self._doer.run(jobs.model_of(self)), self._doer)

    def events(self, *, timeout: float | None = None) -> AsyncIterator[Event]:
        """As `Job.events`."""
        return self._doer.events(Following(self.id, self._doer.retries, timeout))

    async def history(self, max_points: int = 500) -> list[dict[str, Any]]:
        """As `Job.history`."""
        return await self._doer.run(jobs.history(self, max_points))

    async def answers(self, rows: models.Rows) -> list[dict[str, Any]]:
        """As `Job.answers`."""
        return await self._doer.run(jobs.answers(self, rows))

    async def cancel(self) -> Self:
        """As `Job.cancel`."""
        return await self._act("cancel")

    async def pause(self) -> Self:
        """As `Job.pause`."""
        return await self._act("pause")

    async def resume(self) -> Self:
        """As `Job.resume`."""
        return await self._act("resume")

    async def retry(self) -> Self:
        """As `Job.retry`."""
        return await self._act("retry")

    async def change(self, **fields: Any) -> Self:  # noqa: ANN401
        """As `Job.change`."""
        self.data = await self._doer.run(jobs.change(self, fields))
        return self

    async def replay(self) -> "AsyncJob":
        """As `Job.replay`."""
        return AsyncJob(await self._doer.run(jobs.follow_up(self, "replay", None)), self._doer)

    async def train_on(self, epochs: int, **fields: Any) -> "AsyncJob":  # noqa: ANN401
        """As `Job.train_on`."""
        return AsyncJob(
            await self._doer.run(jobs.follow_up(self, "continue", {"epochs": epochs, **fields})), self._doer
        )

    async def _act(self, action: str) -> Self:
        self.data = await self._doer.run(jobs.act(self, action))
        return self


class AsyncModel(AsyncThing, ModelFields):
    """As `Model`."""

    async def predict(self, rows: models.Rows) -> Any:  # noqa: ANN401
        """As `Model.predict`."""
        return await self._doer.run(models.predict(self, rows))

    async def predict_proba(self, rows: models.Rows) -> Any:  # noqa: ANN401
        """As `Model.predict_proba`."""
        return await self._doer.run(models.predict_proba(self, rows))

    async def answers(
        self, rows: models.Rows, *, interval: float | None = None, explain: str | None = None
    ) -> list[dict[str, Any]]:
        """As `Model.answers`."""
        return await self._doer.run(models.answers(self, rows, interval, explain))

    async def evaluate(self, data: datasets.Data, *, threshold_by: Any = None) -> dict[str, Any]:  # noqa: ANN401
        """As `Model.evaluate`."""
        return await self._doer.run(
            datasets.using(data, lambda dataset_id: models.evaluate(self, dataset_id, threshold_by))
        )

    async def explain(
        self,
        rows: models.Rows | None = None,
        method: str = "integrated_gradients",
        **options: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """As `Model.explain`."""
        return await self._doer.run(models.explain(self, method, rows, options))

    async def export(self, path: str | Path, *, format: str | None = None) -> Path:  # noqa: A002
        """As `Model.export`."""
        return await self._doer.run(models.export(self, path, format))
