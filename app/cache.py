"""Values in memory that are costly to make, the least recently used of them dropped first."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by key, of at most `capacity` bytes together. Any thread may use it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._kept: OrderedDict[str, tuple[Value, int]] = OrderedDict()  # the least recently used first
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], tuple[Value, int]]) -> Value:
        """The value of `key`; if it is not here, `make` gives it (outside the lock), and its size in bytes.

        Two threads that ask at once may both make it. A value larger than the capacity is not kept.
        """
        if (kept := self.peek(key)) is not None:
            return kept
        value, size = make()
        self._keep(key, value, size)
        return value

    def __len__(self) -> int:
        """How many are here."""
        return len(self._kept)

    def peek(self, key: str) -> Value | None:
        """The value of `key` if it is here; it then counts as used."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def drop(self, key: str) -> None:
        """Forget a value."""
        with self._lock:
            self._forget(key)

    def _keep(self, key: str, value: Value, size: int) -> None:
        if size > self.capacity:
            return
        with self._lock:
            self._forget(key)
            self._kept[key] = value, size
            self._bytes += size
            while self._bytes > self.capacity:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size
