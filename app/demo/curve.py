"""A loss curve in a few lines of text."""

import math
from collections.abc import Sequence

from rich.text import Text

SERIES = (("train_loss", "•", "cyan"), ("validation_loss", "○", "yellow"))


def loss_curve(points: Sequence[dict[str, float]], *, epochs: int, width: int = 60, height: int = 10) -> Text:
    """Training and validation loss over the epochs 1..`epochs`, on a logarithmic scale."""
    losses = [point[name] for point in points for name, _, _ in SERIES if (point.get(name) or 0) > 0]
    if not losses:
        return Text("waiting for the first epoch ...")
    low, high = math.log(min(losses)), math.log(max(losses))
    span = max(high - low, 1e-9)
    cells: dict[tuple[int, int], tuple[str, str]] = {}
    for name, mark, colour in SERIES:
        for point in points:
            if (point.get(name) or 0) > 0:
                row = round((high - math.log(point[name])) / span * (height - 1))
                column = round((point["epoch"] - 1) / max(epochs - 1, 1) * (width - 1))
                cells[row, column] = mark, colour
    text = Text()
    for row in range(height):
        text.append(f"{math.exp(high - span * row / (height - 1)):8.4f} ┤", "dim")
        for column in range(width):
            text.append(*cells.get((row, column), (" ", "")))
        text.append("\n")
    text.append(f"{'':9}└{'─' * width}\n{'':10}epoch 1{epochs:>{width - 7}}\n{'':10}", "dim")
    for name, mark, colour in SERIES:
        text.append(f"{mark} {name}   ", colour)
    return text
