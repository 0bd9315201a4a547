"""What it is worth to look at the rows with the highest probabilities first."""

import numpy as np
from pydantic import BaseModel, Field

from engine.ranking import Positive, Scores

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Gain(BaseModel):
    """The rows with the highest probabilities, up to a share of all rows."""

    share: float = Field(description="Of all rows.")
    rows: int
    threshold: float = Field(description="The lowest probability among them.")
    positives: float = Field(
        description="Positive ones among them; of rows with equal probabilities at the edge, their share."
    )
    gain: float = Field(description="Share of all positive rows that is among them.")
    lift: float = Field(description="How many times more of them are positive than of all rows.")


def gains(p: Scores, positive: Positive) -> list[Gain]:
    """The gain and lift table of probabilities `p` (rows,); empty where no row is positive.

    gain = positives among the first k rows / all positives; lift = gain / (k / rows). Rows with equal probabilities are
    in no order: as many of them as fit in count with the share of them that is positive.
    """
    rows, all_positive = len(p), int(positive.sum())
    if not all_positive:
        return []
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), rows - 1)
    taken, hits = np.append(0, last + 1), np.append(0, np.cumsum(positive[order])[last])
    counts = sorted({max(1, round(share * rows)) for share in SHARES})
    found = np.interp(counts, taken, hits)
    return [
        Gain(
            share=count / rows,
            rows=count,
            threshold=float(ranked[count - 1]),
            positives=float(hit),
            gain=float(hit / all_positive),
            lift=float(hit / all_positive * rows / count),
        )
        for count, hit in zip(counts, found.tolist(), strict=True)
    ]
