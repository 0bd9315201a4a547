"""What answers rows of a table, whatever stands behind it."""

import timeit
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.arrays import Array
from engine.encoding.description import Feature
from engine.encoding.record_encoder import NotPlain, RecordEncoder
from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget, Prediction
from engine.forecasting.windows import SeriesWindows
from engine.network import NetworkSpec
from engine.tasks import Link
from engine.trust.assurance import DEFAULT_COVERAGE, Assurance, with_coverage

TIMINGS = 5
SLOW = 0.05  # seconds, beyond which one timing tells enough


class Predictor:
    """What answers rows of a table: a network, or several together."""

    encoder: TableEncoder
    network: NetworkSpec  # resolved
    link: Link
    target: AnyTarget
    assurance: Assurance = Assurance()
    further: Mapping[str, NDArray[Any]] = MappingProxyType({})  # tensors that its file keeps besides
    windows: SeriesWindows | None = None  # how rows become those of the encoder; None: they are

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns that it reads, in the order of raw `inputs`."""
        return self.encoder.features if self.windows is None else self.windows.columns

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that it holds."""
        raise NotImplementedError

    def predict(self, frame: pl.DataFrame, coverage: float = DEFAULT_COVERAGE) -> list[Prediction]:
        """Each row's prediction, as the API sends it. Raises as `TableEncoder.encode` does.

        With calibration rows each has a set or an interval that holds the truth with probability `coverage`. Of rows
        over time one forecast of each series, from its last window.
        """
        if self.windows is None:
            return self.predict_encoded(self.encoder.encode(frame), coverage)
        rows, newest = self.windows.newest(frame)
        answered = zip(self.predict_encoded(self.encoder.encode(rows), coverage), newest, strict=True)
        return [self.windows.forecast(prediction, one) for prediction, one in answered]

    def predict_plain(
        self, records: Sequence[Mapping[str, object]], coverage: float = DEFAULT_COVERAGE
    ) -> tuple[list[Prediction], list[list[str]]]:
        """The same of a few raw records, without a frame, and what is odd about each: bit for bit what
        `predict` says of `frame_from_records`. Raises `NotPlain` where that has to be asked.
        """
        if self.windows is not None:
            raise NotPlain
        x, warnings = self.plain_records.encode(records)
        return self.predict_encoded(x, coverage), warnings

    def make_ready(self) -> None:
        """Do now what else the first record would wait for."""
        _ = self.plain_records, self.seconds_a_row

    @cached_property
    def plain_records(self) -> RecordEncoder:
        """The encoder, made ready for few records."""
        return RecordEncoder(self.encoder)

    def predict_encoded(self, x: Array, coverage: float = DEFAULT_COVERAGE) -> list[Prediction]:
        """The same for rows that are encoded already, x (rows, width)."""
        answers = self.answers_to(x)
        return with_coverage(
            self.assurance.conformal, self.target.decode(answers, x), answers, self.target, coverage
        )

    def answers(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Probabilities, or values in the target's unit, (rows, outputs). Raises as `encode` does."""
        return self.answers_to(self.encoder.encode(frame))

    def answers_to(self, x: Array) -> NDArray[np.float64]:
        """The same for rows that are encoded already, x (rows, width).

        A row's answer has the same bits whatever rows are beside it.
        """
        return self.assurance.scaled(self.plain_answers_to(x), self.target.kind)

    def plain_answers_to(self, x: Array) -> NDArray[np.float64]:
        """The same at temperature 1."""
        raise NotImplementedError

    @cached_property
    def seconds_a_row(self) -> float:
        """How long it takes to answer a row that is encoded already: the best of a few times."""
        answer = partial(self.answers_to, np.zeros((1, self.encoder.width), np.float32))
        first = timeit.timeit(answer, number=1)
        return first if first > SLOW else min(timeit.repeat(answer, number=1, repeat=TIMINGS))

    def settled(self, target: AnyTarget, assurance: Assurance) -> Self:
        """The same network, or networks, with what is learned from rows after the training."""
        settled = copy(self)
        settled.target, settled.assurance = target, assurance
        return settled

    def keeping(self, further: Mapping[str, NDArray[Any]]) -> Self:
        """The same with further tensors in its file."""
        kept = copy(self)
        kept.further = dict(sorted(further.items()))
        return kept

    def reading(self, windows: SeriesWindows | None) -> Self:
        """The same for rows that are windows over time; None: for rows as the encoder takes them."""
        reading = copy(self)
        reading.windows = windows
        return reading

    def to_bytes(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """Its file. `metadata`: entries of the header besides its own."""
        raise NotImplementedError

    def save(self, path: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the model's file; whoever keeps it syncs it to disk."""
        path.write_bytes(self.to_bytes(metadata))
