"""What goes for data sets, networks, jobs and models alike."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from backpropd_client.core.steps import Request, Steps, asked, sent
from backpropd_client.resources import Resource

PAGE = 100
"""Items of a list that are fetched at a time."""


def address(path: str, ref: str) -> str:
    """The address of a thing by its id, or of a model by its name, name:version or name@alias."""
    return f"{path}/{quote(ref, safe=':@')}"


def read(path: str, ref: str) -> Steps[dict[str, Any]]:
    """All that the service says of a thing."""
    return (yield from asked(Request("GET", address(path, ref))))


def refresh(thing: Resource) -> Steps[None]:
    """Read a thing again."""
    thing.data = yield from read(thing.PATH, thing.id)


def detailed(thing: Resource) -> Steps[None]:
    """Read a thing again if it comes from a list, which leaves some of it out."""
    if not thing.is_whole:
        yield from refresh(thing)


def delete(path: str, ref: str) -> Steps[None]:
    """Delete a thing."""
    yield from sent(Request("DELETE", address(path, ref)))


class Pages:
    """The pages of a list; `left` says whether there may be another one."""

    def __init__(self, path: str, filters: Mapping[str, str | None]) -> None:
        self.left = True
        self._path = path
        self._params: dict[str, str | int | float | None] = {**filters, "limit": PAGE}

    def next(self) -> Steps[list[dict[str, Any]]]:
        """The items of the next page."""
        page = yield from asked(Request("GET", self._path, params=self._params))
        self._params["cursor"] = page["next_cursor"]
        self.left = page["next_cursor"] is not None
        return list(page["items"])
