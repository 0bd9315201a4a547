"""The two kinds of rows with axes that layers ask for, and what to do where other rows come in."""

from engine.arrays import Shape
from engine.spec import InvalidSpec


def check_images(kind: str, in_shape: Shape) -> None:
    """Raise `InvalidSpec` unless rows are images (height, width, channels)."""
    if len(in_shape) != 3:
        raise InvalidSpec(
            f"{kind} takes images (height, width, channels), but {list(in_shape)} comes in; "
            "put a reshape layer before it"
        )


def check_series(kind: str, in_shape: Shape) -> None:
    """Raise `InvalidSpec` unless rows are series (steps, features)."""
    if len(in_shape) != 2:
        flat = ", or return_sequences into a recurrent one" if len(in_shape) == 1 else ""
        raise InvalidSpec(
            f"{kind} takes series (steps, features), but {list(in_shape)} comes in; "
            f"put a reshape layer before it{flat}"
        )
