"""Rows that a training keeps apart from itself, its validation included."""

from pydantic import Field

from engine.spec import Spec

MOST_APART = 0.8
"""Share of the rows that may be kept apart altogether."""
MOST_CALIBRATION_ROWS = 5000
"""Rows that are kept for calibration at most: more make a coverage of 90 % no truer than 0.4 points.

Their scores are kept with the model.
"""


class RowsApart(Spec):
    """A share of the rows, drawn before those that validate; classes keep their shares.

    Where the validation has a `group`, whole groups are kept; where it has a `time`, the last rows.
    """

    fraction: float = Field(0.1, gt=0, le=0.5, description="Share of the rows that are kept apart.")
