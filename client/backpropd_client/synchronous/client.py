"""The client without asyncio."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from backpropd_client.core import datasets, jobs
from backpropd_client.core.retries import Retries
from backpropd_client.core.steps import Request, told
from backpropd_client.synchronous.collections import Datasets, Jobs, Models, Networks
from backpropd_client.synchronous.doer import Doer
from backpropd_client.synchronous.things import Dataset, Job, Model, Network


class Client:
    """A service of backpropd's.

    `url` and `key` are those of the environment's BACKPROPD_URL and BACKPROPD_KEY where they are left out, and the
    service on this machine where nothing says which. `timeout`: seconds that the service may be silent. `retries`: how
    requests are sent again that came to nothing. `transport`: an httpx transport of your own, as for a proxy.

    Connections are kept until `close`, or the end of a `with` block.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries = Retries(),  # noqa: B008 - it does not change
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._doer = Doer(url, key, timeout, retries, transport)
        self.datasets = Datasets(self._doer, Dataset)
        self.networks = Networks(self._doer, Network)
        self.jobs = Jobs(self._doer, Job)
        self.models = Models(self._doer, Model)

    def train(
        self,
        data: datasets.Data,
        target: jobs.Target = None,
        *,
        dataset_name: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,  # noqa: ANN401 - of POST /v1/jobs
    ) -> "Job":
        """Upload data, unless they are a data set, and queue a job that learns `target` from them.

        `data`: a path, a pandas or polars DataFrame, a list of dicts, arrays (x, y), or a data set or its id.
        `target`: a column, or several; left out, the y of arrays, and else an autoencoder of all columns is trained.
        `fields`: those of POST /v1/jobs, such as quality="fast", model_name="penguins", training={"epochs": 50},
        network=[{"kind": "dense"}] (layers, a spec, or a network that was defined).
        """
        launched = jobs.launch(data, target, fields, dataset_name=dataset_name, key=idempotency_key)
        return Job(self._doer.run(launched), self._doer)

    def plan(self, data: datasets.Data, target: jobs.Target = None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        """What a job would do and why; nothing is queued. Data that are uploaded for it are deleted again."""
        return self._doer.run(datasets.using(data, lambda dataset_id: jobs.plan(dataset_id, target, fields)))

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | float | None] | None = None,
        json: Any = None,  # noqa: ANN401
        repeatable: bool = False,
    ) -> Any:  # noqa: ANN401
        """Anything else that the API has, such as `request("GET", "/v1/catalog")`; the JSON that answers it, or None.

        With the errors and further tries of all others. `repeatable`: whether a POST or PATCH may be sent again.
        """
        return self._doer.run(told(Request(method, path, params or {}, json, repeatable=repeatable)))

    def close(self) -> None:
        """Close all connections."""
        self._doer.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
