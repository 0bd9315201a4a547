"""Tables of rows in time -> tables of windows, and a network's answers back into the targets' values.

Everything about a target is told relative to its value at the window's end, the level: what the window holds of it,
and what is to be forecast. So a series that rises beyond all that was ever seen is still read well, and forecasting
the last value is answering 0.

Source: Zeng et al. 2023, Are transformers effective for time series forecasting?, the subtraction in NLinear.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.arrays import Array
from engine.encoding.array_columns import series_of
from engine.encoding.columns import cast
from engine.encoding.description import Feature
from engine.encoding.errors import UnreadableTable, shown
from engine.encoding.target.base import Prediction
from engine.forecasting.spec import SeriesSpec
from engine.spec import Spec
from engine.windows import series_windows

WINDOW = "window"
"""The column of windows (steps, columns), the targets first."""
FIRST, LAST = "first time", "last time"
"""The columns with the time of a window's first row, and of the last row that is forecast from it."""
ROW, WEIGHT = "row", "weight"
"""The columns with the number in the table of a window's last row, and with that row's weight."""
VALUES_AT_MOST = 1 << 27
"""Numbers in all windows of a table, and after them."""

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class _Series:
    """One series, in the order of time."""

    group: object  # None: there are no groups
    times: NDArray[np.generic]  # (steps,)
    rows: NDArray[np.intp]  # their numbers in the table
    values: Figures  # (steps, columns) without gaps: what is missing is as before
    known: NDArray[np.bool_]  # (steps, targets) where a value was there
    begins: int  # the first step with nothing missing that is not as before


@dataclass(frozen=True)
class Newest:
    """The last window of a series."""

    group: object
    after: object  # the time of its last row
    level: Figures  # (targets,)


class SeriesWindows(Spec):
    """How a model reads the rows of a table: kept with it, so that forecasts read as training did."""

    series: SeriesSpec
    targets: tuple[str, ...]
    columns: tuple[Feature, ...]  # all that are read: time, group, targets, and further ones of numbers

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of a window."""
        apart = {self.series.time, self.series.group, *self.targets}
        return (*self.targets, *(column.name for column in self.columns if column.name not in apart))

    @property
    def answers(self) -> tuple[str, ...]:
        """The names of what is forecast, such as "sales+2" for the second row after the window."""
        return tuple(f"{name}+{step}" for name in self.targets for step in range(1, self.series.horizon + 1))

    @property
    def note(self) -> str:
        """What a plan says of the rows."""
        return (
            f"a row is a window of {self.series.window} rows of the data set; what is forecast, and all figures of the "
            "report, are relative to the last value that is known; windows that reach into the time of those that "
            "validate are left out"
        )

    def examples(self, frame: pl.DataFrame, weight: str | None = None) -> pl.DataFrame:
        """Every window of the typed rows whose targets are known, with what comes after it.

        One row a window: its values and what is forecast, both relative to the level, and its times; `weight`: the
        column of the rows' weights, if there is one. A window that ends before the first value of a column is left
        out: that value is in its future. Raises `UnreadableTable`.
        """
        length, horizon, targets = self.series.window, self.series.horizon, len(self.targets)
        found = [
            (series, len(series.rows) - length - horizon + 1)
            for series in self._series(frame)
            if len(series.rows) >= length + horizon
        ]
        total = sum(count for _, count in found)
        if not total:
            raise UnreadableTable(
                f"a window of {length} rows and {horizon} after it need {length + horizon} rows, "
                "which no series has"
            )
        shape = (total, length, len(self.numbers))
        if total * (length * shape[2] + horizon * targets) > VALUES_AT_MOST:
            raise UnreadableTable(
                f"{total:,} windows of {length} x {shape[2]} numbers, with {horizon} x {targets} to forecast, are more "
                f"than the {VALUES_AT_MOST:,} numbers that fit"
            )
        x, y = np.empty(shape, np.float32), np.empty((total, horizon, targets))
        ends, rows = np.empty((2, total), found[0][0].times.dtype), np.empty(total, np.intp)
        complete = np.empty(total, np.bool_)
        start = 0
        for series, count in found:
            part = slice(start, start := start + count)
            pasts, futures = series_windows(
                series.values, length=length, horizon=horizon, targets=slice(targets)
            )
            levels = pasts[:, -1, :targets]
            x[part] = _relative(pasts, levels)
            y[part] = futures - levels[:, np.newaxis]
            ends[:, part] = series.times[:count], series.times[length + horizon - 1 :]
            rows[part] = series.rows[length - 1 : length - 1 + count]
            known = np.lib.stride_tricks.sliding_window_view(series.known[length:], horizon, axis=0)
            last_steps = np.arange(length - 1, length - 1 + count)
            complete[part] = known.all(axis=(1, 2)) & (last_steps >= series.begins)
        answers = y.swapaxes(1, 2).reshape(total, -1)
        made = pl.DataFrame(
            [
                series_of(WINDOW, x),
                *(pl.Series(name, column) for name, column in zip(self.answers, answers.T, strict=True)),
                *(pl.Series(name, column) for name, column in zip((FIRST, LAST), ends, strict=True)),
                pl.Series(ROW, rows),
                *([] if weight is None else [frame[weight][rows].alias(WEIGHT)]),
            ]
        )
        return made.filter(pl.Series(complete))

    def newest(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Newest]]:
        """The last window of each series in the typed rows, and what has to be known to read its forecast.

        Raises `UnreadableTable` for a series with too few rows.
        """
        length, targets = self.series.window, len(self.targets)
        windows, newest = [], []
        for series in self._series(frame):
            of = "" if self.series.group is None else f" of {shown(series.group)}"
            if len(series.rows) < length:
                raise UnreadableTable(
                    f"a forecast reads the last {length} rows{of}, but there are {len(series.rows)}"
                )
            if not (there := series.known.any(axis=0)).all():
                name = self.targets[int(there.argmin())]
                raise UnreadableTable(f"{name} is missing in every row{of}", name)
            past = series.values[np.newaxis, -length:]
            level = past[:, -1, :targets]
            windows.append(_relative(past, level))
            after = frame[self.series.time][int(series.rows[-1])]
            newest.append(Newest(series.group, after, level[0]))
        return pl.DataFrame([series_of(WINDOW, np.concatenate(windows))]), newest

    def forecast(self, prediction: Prediction, newest: Newest) -> Prediction:
        """A decoded answer, which is relative to the level, in the targets' own values."""
        levels = dict(zip(self.answers, np.repeat(newest.level, self.series.horizon).tolist(), strict=True))
        only = levels[self.answers[0]]
        made: Prediction = {}
        for name, part in prediction.items():
            match part:
                case float():
                    made[name] = part + only
                case dict() if "low" in part:
                    made[name] = _moved(part, only)
                case dict():
                    made[name] = {
                        answer: _moved(one, levels[answer]) if isinstance(one, dict) else one + levels[answer]
                        for answer, one in part.items()
                    }
                case _:
                    made[name] = part
        after = newest.after
        made["after"] = after.isoformat() if isinstance(after, datetime) else after
        return made if self.series.group is None else {**made, "group": newest.group}

    def _series(self, frame: pl.DataFrame) -> Iterator[_Series]:
        """The series of the typed rows, each in the order of time; raises `UnreadableTable`."""
        frame = cast(frame, {column.name: column.type for column in self.columns})
        times, group = frame[self.series.time], self.series.group
        for name in filter(None, (self.series.time, group)):
            if frame[name].null_count():
                row = int(frame[name].alias("column").is_null().arg_max() or 0)
                raise UnreadableTable(f"{name} is missing in row {row + 1}", name, row)
        values = np.stack([frame[name].cast(pl.Float64).to_numpy() for name in self.numbers], axis=1)
        # Under another name: where polars works on a series by an expression, it takes "^a.*$" for a pattern
        clock = times.alias("times").to_physical().to_numpy()
        codes = (
            np.zeros(len(clock), np.intp)
            if group is None
            else frame[group].alias("group").rank("dense").to_numpy() - 1
        )
        order = np.lexsort((clock, codes))
        for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            if not len(rows):
                continue
            self._check_moments(frame, clock, rows)
            seen = values[rows]
            missing = np.isnan(seen)
            yield _Series(
                group=None if group is None else frame[group][int(rows[0])],
                times=clock[rows],
                rows=rows,
                values=_filled(seen),
                known=~missing[:, : len(self.targets)],
                begins=int(np.where(missing.all(axis=0), 0, (~missing).argmax(axis=0)).max()),
            )

    def _check_moments(self, frame: pl.DataFrame, clock: NDArray[np.generic], rows: NDArray[np.intp]) -> None:
        """Raise `UnreadableTable` where two rows of a series have the same time."""
        same = np.flatnonzero(clock[rows[1:]] == clock[rows[:-1]])
        if len(same):
            row, time = int(rows[same[0] + 1]), self.series.time
            raise UnreadableTable(
                f"{time} is {shown(str(frame[time][row]))} in two rows"
                + (
                    " of one series"
                    if self.series.group
                    else ": name the column that tells several series apart as group"
                ),
                time,
                row,
            )


def _relative(windows: Array, levels: Array) -> NDArray[np.float32]:
    """Windows (windows, steps, columns) with the targets' columns, the first ones, relative to `levels`."""
    made = windows.copy()
    made[..., : levels.shape[1]] -= levels[:, np.newaxis]
    return made.astype(np.float32)


def _filled(values: Figures) -> Figures:
    """What is missing as it was before; at the beginning as the first value; 0 where there is none."""
    if not np.isnan(values).any():
        return values
    columns = [
        pl.Series(column)
        .fill_nan(None)
        .fill_null(strategy="forward")
        .fill_null(strategy="backward")
        .fill_null(0)
        for column in values.T
    ]
    return np.stack([column.to_numpy() for column in columns], axis=1)


def _moved(interval: dict[str, object], level: float) -> dict[str, object]:
    """An interval around a value that is relative to `level`."""
    ends = {name: end + level for name in ("low", "high") if isinstance(end := interval[name], float)}
    return {**interval, **ends}
