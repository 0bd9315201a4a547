"""Which recipe suits a training."""

from typing import Literal, NamedTuple

from engine.arrays import Shape
from engine.goal import GoalSpec, Quality
from engine.optimizers import PerceptronRuleSpec
from engine.recipes import images, sequences
from engine.recipes.plain import plain
from engine.recipes.realmlp import realmlp
from engine.recipes.recipe import Recipe
from engine.recipes.tabm import tabm
from engine.spec import InvalidSpec
from engine.tasks import Task
from engine.training import TrainingSpec


class Alone(NamedTuple):
    """A feature with many numbers in each row, which is the only one."""

    kind: Literal["image", "array", "window"]
    shape: Shape


EPOCHS: dict[Quality, int] = {"fast": 64, "recommended": 256, "high": 200}
MOST_ROWS: dict[Quality, int] = {"fast": 20_000, "recommended": 100_000, "high": 50_000}
"""Rows up to which a recipe has all its epochs. Of more rows it sees as many in all, in fewer epochs."""
FEWEST_EPOCHS = 4
FEW_ROWS = 1500
"""Rows up to which five networks together take seconds, and lose less where one loses much: see docs/accuracy.md."""
FAST_HIDDEN = (128, 128)


def choose(
    goal: GoalSpec,
    training: TrainingSpec,
    task: Task,
    rows: int,
    *,
    has_network: bool = False,
    alone: Alone | None = None,
) -> tuple[Recipe, str | None]:
    """The recipe for a training on about `rows` rows, and what the plan says of it.

    `has_network`: whether the network is given, or is that of a model to start from. `alone`: the only feature, where
    that is of images or arrays. Raises `InvalidSpec` at `quality` where a recipe was asked for that cannot be.
    """
    because = _why_plain(training, task, has_network=has_network)
    if because is not None:
        if goal.quality is not None:
            raise InvalidSpec(f"quality chooses a whole recipe, but {because}: leave it out", ("quality",))
        return plain(training), None
    quality = goal.quality or "recommended"
    if alone is not None and (special := _special(task, alone, rows, quality)) is not None:
        recipe, note = special
        return recipe, f"the recipe is {quality!r}: {note}"
    epochs = _epochs(quality, rows)
    return _recipe(quality, task, epochs), _note(quality, epochs, rows, training)


def _why_plain(training: TrainingSpec, task: Task, *, has_network: bool) -> str | None:
    """Why no recipe but the plain one makes sense, if so."""
    if has_network:
        return "the network is given, or that of the model to start from"
    if task == "autoencoding":
        return "without a target there is one recipe only"
    optimizer = training.optimizer
    if optimizer.full_batch or isinstance(optimizer, PerceptronRuleSpec):
        return f"the recipes make no sense under {optimizer.kind}"
    return None


def _special(task: Task, alone: Alone, rows: int, quality: Quality) -> tuple[Recipe, str] | None:
    """The recipe for images or arrays, and what is to be said of it; None where they are taken as rows of numbers."""
    shape = alone.shape
    if alone.kind == "image":
        return images.recipe(task, images.shape_of_input(shape), rows, quality), images.note(shape)
    if alone.kind == "array" and images.is_picture(shape):
        return images.recipe(task, shape, rows, quality), images.note(shape)
    if len(shape) == 2:
        return sequences.recipe(task, shape, rows, quality), sequences.note(shape)
    return None


def _epochs(quality: Quality, rows: int) -> int:
    most = EPOCHS[quality]
    return max(FEWEST_EPOCHS, min(most, most * MOST_ROWS[quality] // rows))


def _recipe(quality: Quality, task: Task, epochs: int) -> Recipe:
    match quality:
        case "fast":
            return realmlp(task, quality="fast", epochs=epochs, hidden=FAST_HIDDEN)
        case "recommended":
            return realmlp(task, epochs=epochs)
        case "high":
            return tabm(task, epochs=epochs)


NAMES: dict[Quality, str] = {
    "fast": "a small network of RealMLP's kind",
    "recommended": "RealMLP-TD",
    "high": "TabM",
}


def _note(quality: Quality, epochs: int, rows: int, training: TrainingSpec) -> str:
    """What the plan says of the recipe."""
    note = f"the recipe is {quality!r}: {NAMES[quality]}"
    if (
        quality == "recommended"
        and rows <= FEW_ROWS
        and not training.model_fields_set & {"members", "validation"}
    ):
        return f"{note}; with so few rows several networks together are steadier: members 5"
    if epochs == EPOCHS[quality] or "epochs" in training.model_fields_set:
        return note
    return f"{note}, for {epochs} epochs in place of {EPOCHS[quality]} since {rows:,} rows are many"
