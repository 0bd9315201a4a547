"""The Python client of backpropd.

    from backpropd_client import Client

    with Client() as client:
        model = client.train("penguins.csv", target="species").wait(progress=True)
        print(model.predict([{"island": "Biscoe", "bill_length_mm": 47.5}]))

`AsyncClient` is the same with asyncio; `backpropd_client.sklearn` has estimators for scikit-learn.
"""

from backpropd_client.asynchronous.client import AsyncClient
from backpropd_client.core.events import Event
from backpropd_client.core.retries import Retries
from backpropd_client.errors import (
    BackpropdError,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    JobCancelled,
    JobFailed,
    NotFound,
    NotInstalled,
    Problem,
    ServerError,
    StorageFull,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
)
from backpropd_client.progress import Progress
from backpropd_client.synchronous.client import Client

__all__ = [
    "AsyncClient",
    "BackpropdError",
    "Client",
    "Conflict",
    "Event",
    "FieldError",
    "Forbidden",
    "Invalid",
    "JobCancelled",
    "JobFailed",
    "NotFound",
    "NotInstalled",
    "Problem",
    "Progress",
    "Retries",
    "ServerError",
    "StorageFull",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "UnsupportedMediaType",
]
