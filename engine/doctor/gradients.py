"""What the lengths of the gradients say."""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from engine.doctor.case import Case
from engine.doctor.course import Course
from engine.doctor.findings import Finding, Operation, Remedy, Rule
from engine.doctor.probe import RECTIFIERS, Reading
from engine.doctor.remedies import layers_of, replace

LOOKS = 3
EPOCHS = 5
VANISHED = 1e-3
FEWEST_MATRICES = 3
LEARNED = 0.5
EXPLODED = 100.0
BOUNDED = frozenset({"sigmoid", "tanh", "hard_sigmoid", "softsign"})

VANISHING_GRADIENTS = Rule(
    code="vanishing_gradients",
    explanation="On its way back through the layers the gradient is multiplied by slopes below 1 again and again: "
    "the first layers get next to nothing of it and hardly learn.",
    rule=f"In the last {LOOKS} looks, after at least {EPOCHS} epochs, the gradient of the first weight matrix, by "
    f"itself and relative to its weights, is below {VANISHED:g} of that of the last one, there are at least "
    f"{FEWEST_MATRICES} of them, no layer of ReLUs is half dead, and the training loss is "
    f"still above {LEARNED:.0%} of that of the best constant answer.",
    source="Hochreiter 1991, Untersuchungen zu dynamischen neuronalen Netzen; Glorot & Bengio 2010",
)
EXPLODING_GRADIENTS = Rule(
    code="exploding_gradients",
    explanation="On its way back through the layers the gradient is multiplied by factors above 1 again and again: "
    "one step of such a length throws all weights about.",
    rule=f"In two looks in a row the gradient over all parameters is at least {EXPLODED:g} times as long as the "
    "parameters are.",
    source="Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks",
)
RULES = (VANISHING_GRADIENTS, EXPLODING_GRADIENTS)


def examine_gradients(case: Case, course: Course, readings: Sequence[Reading]) -> Iterator[Finding]:
    """Gradients that vanish or explode, by the last looks."""
    yield from _vanishing(case, course, readings[-LOOKS:])
    yield from _exploding(case, readings[-2:])


def relative(reading: Reading) -> list[float]:
    """The gradient of each weight matrix by its weights."""
    return [g / w if w > 0 else 0.0 for g, w in zip(reading.gradients, reading.weights, strict=True)]


def _vanishing(case: Case, course: Course, readings: Sequence[Reading]) -> Iterator[Finding]:
    if len(readings) < LOOKS or course.epochs < EPOCHS or len(readings[0].weights) < FEWEST_MATRICES:
        return
    if not case.comparable or course.train <= LEARNED * case.baseline:
        return
    # By the weights and by itself: normalized layers let weights grow, which makes the first measure small.
    sizes = [size for reading in readings for size in (relative(reading), reading.gradients)]
    if min(size[-1] for size in sizes) <= 0:
        return
    ratio = max(size[0] / size[-1] for size in sizes)
    if ratio >= VANISHED or any(
        units.share >= 0.5 for units in readings[-1].units if units.kind in RECTIFIERS
    ):
        return
    yield VANISHING_GRADIENTS.found(
        "warning",
        f"The gradient of the first layer is {ratio:.1g} of that of the last one.",
        {
            "first_to_last": ratio,
            "by_layer": list[JsonValue](relative(readings[-1])),
            "looks": len(readings),
            "train_loss": course.train,
            "baseline": case.baseline,
        },
        _let_through(case),
        place="/network/layers/0",
    )


def _let_through(case: Case) -> Remedy:
    """ReLUs in place of S-curves, with the start that suits them; where there are none, normalized sums."""
    layers = layers_of(case.network)
    patch: list[Operation] = []
    for i, layer in enumerate(layers[:-1]):
        if layer["kind"] in BOUNDED:
            patch.append(replace(f"/network/layers/{i}", {"kind": "relu"}))
            if i and "weight_initializer" in layers[i - 1]:
                path = f"/network/layers/{i - 1}/weight_initializer"
                patch.append(Operation(op="add", path=path, value={"kind": "he_normal"}))
    if patch:
        return Remedy(
            detail="Take ReLUs in the hidden layers, whose slope is 1, and the start that suits them.",
            patch=tuple(patch),
        )
    activations = [i for i, layer in enumerate(case.network.layers[:-1]) if layer.is_activation]
    normal: JsonValue = {"kind": "batch_normalization"}
    return Remedy(
        detail="Normalize the sums of each layer before its activation.",
        patch=tuple(
            Operation(op="add", path=f"/network/layers/{i}", value=normal) for i in reversed(activations)
        ),
    )


def _exploding(case: Case, readings: Sequence[Reading]) -> Iterator[Finding]:
    if len(readings) < 2 or min(reading.theta for reading in readings) <= 0:
        return
    ratio = min(reading.gradient / reading.theta for reading in readings)
    if not ratio >= EXPLODED:
        return
    now = readings[-1]
    remedy = Remedy(
        detail="Limit the length of the gradient to 1; weights that start smaller help as well.",
        patch=() if case.training.optimizer.full_batch else (replace("/training/clip_norm", 1.0),),
    )
    yield EXPLODING_GRADIENTS.found(
        "warning",
        f"The gradient is {ratio:.3g} times as long as all parameters together.",
        {
            "gradient_to_parameters": ratio,
            "gradient_length": now.gradient,
            "by_layer": list[JsonValue](relative(now)),
            "looks": 2,
        },
        remedy,
    )
