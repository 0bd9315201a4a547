"""What the database said, kept until anything in it changes."""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

from app.data_version import DataVersion

Value = TypeVar("Value")

MOST = 10_000  # answers of one kind


class Remembered(Generic[Value]):
    """Answers by question. Any thread may use it."""

    def __init__(self, version: DataVersion) -> None:
        self._ask = version
        self._version: tuple[int, int] | None = None  # of which the answers are
        self._answers: dict[Hashable, Value] = {}
        self._lock = Lock()

    def get(self, question: Hashable) -> tuple[Value | None, tuple[int, int] | None]:
        """The answer, None where it is not known, and the database's version, to be handed to `keep`."""
        version = self._ask()
        if version is None:
            return None, None
        with self._lock:
            if version != self._version:
                self._version = version
                self._answers.clear()
            return self._answers.get(question), version

    def keep(self, question: Hashable, answer: Value, version: tuple[int, int] | None) -> None:
        """Remember an answer that was asked for after the database had `version`."""
        with self._lock:
            if version is None or version != self._version:
                return
            if len(self._answers) >= MOST:
                self._answers.clear()
            self._answers[question] = answer
