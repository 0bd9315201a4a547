"""What a job says of rows that follow each other in time. Without polars, so cheap to import."""

from pydantic import Field

from engine.spec import Spec


class SeriesSpec(Spec):
    """Rows in the order of time, of which a window is read to forecast the targets in the rows after it."""

    time: str = Field(description="Column of times or numbers that orders the rows.", examples=["day"])
    window: int = Field(ge=1, le=10_000, description="Rows that a forecast reads.")
    horizon: int = Field(
        1, ge=1, le=1000, description="Rows after the window that are forecast, each by itself."
    )
    group: str | None = Field(
        None,
        description="Column that tells several series in one table apart: no window reaches from one to another.",
    )
