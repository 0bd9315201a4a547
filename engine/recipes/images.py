"""A small residual network for images, which are moved a little at each look.

He, Zhang, Ren and Sun 2016, Deep residual learning for image recognition, section 4.2, with fewer layers and few
epochs of a learning rate that rises and falls once (Smith and Topin 2019). Images are shifted as in the article;
small data sets, in which little repeats, are turned as well (Simard, Steinkraus and Platt 2003). Nothing is
mirrored, since in digits, letters and signs left and right mean something.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.arrays import Shape
from engine.encoding.blocks import Block
from engine.goal import Quality
from engine.layers import LayerSpec
from engine.layers.augmentation.moved_images import RandomShiftSpec
from engine.layers.augmentation.rotation import RandomRotationSpec
from engine.layers.reshape import ReshapeSpec
from engine.network import NetworkSpec
from engine.optimizers import AdamWSpec
from engine.recipes.recipe import Recipe
from engine.schedules import OneCycleScheduleSpec
from engine.tasks import Task
from engine.templates.resnet import ResnetSmallSpec
from engine.training import EarlyStoppingSpec


@dataclass(frozen=True)
class Size:
    """How much work a network is."""

    blocks: int  # residual blocks in each of three stages
    filters: int  # of the first stage
    looks: int  # images that training looks at in all
    epochs: int  # at most


SIZES: dict[Quality, Size] = {
    "fast": Size(blocks=1, filters=12, looks=30_000, epochs=15),
    "recommended": Size(blocks=1, filters=16, looks=100_000, epochs=30),
    "high": Size(blocks=2, filters=24, looks=200_000, epochs=80),
}
FEWEST_EPOCHS = 6
SIDE_AT_MOST = 64
"""Pixels of the longer side; larger images are made smaller."""
SHORTEST_SIDE = 6
"""Of arrays that are taken for images."""
BATCH, MANY_PIXELS = 64, 32 * 32
"""Images with more pixels come in batches of half as many, which take less memory."""
SHIFT = 8
"""Images move by one part in so many of their sides, at most."""
FEW = 20_000
"""Images; where they are fewer, they are turned as well."""
DEGREES = 10.0


def recipe(task: Task, shape: Shape, rows: int, quality: Quality) -> Recipe:
    """The recipe for about `rows` images of `shape`: height, width and channels, of which there may be none."""
    size = SIZES[quality]

    def network(_: Sequence[Block]) -> NetworkSpec:
        one_channel = (ReshapeSpec(shape=(*shape, 1)),) if len(shape) == 2 else ()
        residual = ResnetSmallSpec(blocks=size.blocks, filters=size.filters).layers()
        return NetworkSpec(input_shape=shape, layers=(*one_channel, *_moves(shape, rows), *residual))

    training: dict[str, Any] = {
        "epochs": max(FEWEST_EPOCHS, min(size.epochs, size.looks // rows)),
        "batch_size": BATCH if shape[0] * shape[1] <= MANY_PIXELS else BATCH // 2,
        "drop_last": True,  # the moments of a batch of very few images are far off
        "optimizer": AdamWSpec(learning_rate=0.003, weight_decay=0.01),
        "schedule": OneCycleScheduleSpec(),
        "early_stopping": EarlyStoppingSpec(monitor="loss" if task == "count" else "error", ties="last"),
    }
    return Recipe(
        network=network,
        training=training,
        runs_to_the_end=True,
        quality=quality,
        clip=task in {"regression", "count"},
        takes_shape=True,
        image_shape=shape,
    )


def shape_of_input(shape: Shape) -> Shape:
    """What images of `shape` are brought to: their own, made smaller where the longer side is too long."""
    height, width, channels = shape
    scale = min(1.0, SIDE_AT_MOST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def is_picture(shape: Shape) -> bool:
    """Whether arrays of this shape are most likely images that are small enough to stay as they are."""
    if not (len(shape) == 2 or (len(shape) == 3 and shape[-1] <= 4)):
        return False
    short, long = sorted(shape[:2])
    return short >= SHORTEST_SIDE and long <= min(SIDE_AT_MOST, 2 * short)


def note(shape: Shape) -> str:
    """What the plan says of the network."""
    height, width = shape_of_input((*shape[:2], 1))[:2]
    smaller = "" if shape[:2] == (height, width) else ", which they are made smaller to"
    return f"a small residual network for images of {width} x {height} pixels{smaller}"


def _moves(shape: Shape, rows: int) -> Iterator[LayerSpec]:
    """What changes the images at each look."""
    height, width = shape[:2]
    reach = height // SHIFT, width // SHIFT
    if any(reach):
        yield RandomShiftSpec(pixels=reach)
    if rows < FEW and min(height, width) > 1:
        yield RandomRotationSpec(degrees=DEGREES)
