"""As synchronous/client.py, to be awaited."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from backpropd_client.asynchronous.collections import AsyncDatasets, AsyncJobs, AsyncModels, AsyncNetworks
from backpropd_client.asynchronous.doer import AsyncDoer
from backpropd_client.asynchronous.things import AsyncDataset, AsyncJob, AsyncModel, AsyncNetwork
from backpropd_client.core import datasets, jobs
from backpropd_client.core.retries import Retries
from backpropd_client.core.steps import Request, told


class AsyncClient:
    """As `Client`, whose arguments it takes; `async with` closes it."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries = Retries(),  # noqa: B008
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._doer = AsyncDoer(url, key, timeout, retries, transport)
        self.datasets = AsyncDatasets(self._doer, AsyncDataset)
        self.networks = AsyncNetworks(self._doer, AsyncNetwork)
        self.jobs = AsyncJobs(self._doer, AsyncJob)
        self.models = AsyncModels(self._doer, AsyncModel)

    async def train(
        self,
        data: datasets.Data,
        target: jobs.Target = None,
        *,
        dataset_name: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,  # noqa: ANN401
    ) -> "AsyncJob":
        """As `Client.train`."""
        launched = jobs.launch(data, target, fields, dataset_name=dataset_name, key=idempotency_key)
        return AsyncJob(await self._doer.run(launched), self._doer)

    async def plan(self, data: datasets.Data, target: jobs.Target = None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        """As `Client.plan`."""
        return await self._doer.run(
            datasets.using(data, lambda dataset_id: jobs.plan(dataset_id, target, fields))
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | float | None] | None = None,
        json: Any = None,  # noqa: ANN401
        repeatable: bool = False,
    ) -> Any:  # noqa: ANN401
        """As `Client.request`."""
        return await self._doer.run(told(Request(method, path, params or {}, json, repeatable=repeatable)))

    async def aclose(self) -> None:
        """As `Client.close`."""
        await self._doer.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
