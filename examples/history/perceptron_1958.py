"""Rosenblatt 1958: a unit that learns from its mistakes, what that costs, and what it can never learn.

On a mistake the perceptron adds the input to its weights, or takes it off. Where a line separates the
classes it makes at most (R / gamma)^2 mistakes, R the length of the longest input (with a 1 for the bias)
and gamma the margin of any line that separates them (Novikoff 1962). No line separates XOR (Minsky and
Papert 1969): each pass has a mistake in it, for ever. Hidden units learn it (Rumelhart et al. 1986).

    F. Rosenblatt, The perceptron: a probabilistic model for information storage and organization, 1958
"""

from itertools import product
from math import hypot

from client import Backpropd, Trained, connect, expect
from mcculloch_pitts_1943 import PERCEPTRON_RULE, THRESHOLD_UNITS

INPUTS = list(product((0, 1), repeat=2))
AND, OR, XOR = (0, 0, 0, 1), (0, 1, 1, 1), (0, 1, 1, 0)
LINES: dict[tuple[int, ...], tuple[float, float, float]] = {
    AND: (1, 1, -1.5),
    OR: (1, 1, -0.5),
}  # w1, w2 and b of the line with the widest margin
COPIES = 3  # of each row: a job takes 10 rows at least
BACKPROPAGATION = {
    "epochs": 300,
    "batch_size": 12,
    "optimizer": {"kind": "adam", "learning_rate": 0.03},
    "validation": {"kind": "none"},
}


def main() -> None:
    """AND and OR by the rule, XOR in vain, and XOR with hidden units."""
    with connect(__doc__) as service:
        for name, outputs in (("AND", AND), ("OR", OR)):
            model = perceptron(service, outputs)
            found, most = mistakes(model), bound(outputs)
            print(f"{name}: {right(service, model, outputs)} of 4 right after {found} mistakes")
            expect(right(service, model, outputs) == 4, f"the perceptron learns {name}")
            expect(found <= most, f"it makes no more than (R / gamma)^2 = {most:.1f} mistakes with {name}")
        model = perceptron(service, XOR)
        print(f"XOR: {right(service, model, XOR)} of 4 right after {mistakes(model)} mistakes")
        expect(right(service, model, XOR) < 4 and never_perfect(model), "the perceptron never learns XOR")
        expect(right(service, multilayer(service, XOR), XOR) == 4, "a network with hidden units learns XOR")


def perceptron(service: Backpropd, outputs: tuple[int, ...]) -> Trained:
    """A single unit, trained by the perceptron rule from zero weights."""
    return service.train(
        upload(service, outputs), "y", scaling="none", network=THRESHOLD_UNITS, training=PERCEPTRON_RULE
    )


def multilayer(service: Backpropd, outputs: tuple[int, ...]) -> Trained:
    """A network with hidden units, trained by backpropagation."""
    network = service.network({"kind": "mlp", "hidden": [16], "activation": "tanh"})
    return service.train(
        upload(service, outputs), "y", scaling="none", network_id=network, training=BACKPROPAGATION
    )


def upload(service: Backpropd, outputs: tuple[int, ...]) -> str:
    """The truth table as a data set."""
    x1, x2 = zip(*INPUTS * COPIES, strict=True)
    return service.upload("truth table", {"x1": x1, "x2": x2, "y": outputs * COPIES})


def mistakes(model: Trained) -> int:
    """How often a row was on the wrong side when it came by, in all passes."""
    rows = len(INPUTS) * COPIES
    return sum(round((1 - point["metrics"]["train_accuracy"]) * rows) for point in model.points)


def never_perfect(model: Trained) -> bool:
    """Whether each pass had a mistake in it."""
    return all(point["metrics"]["train_accuracy"] < 1 for point in model.points)


def right(service: Backpropd, model: Trained, outputs: tuple[int, ...]) -> int:
    """How many of the four rows the model gets right in the end."""
    predictions = service.predict(model, [{"x1": x1, "x2": x2} for x1, x2 in INPUTS])
    return sum(prediction["label"] == y for prediction, y in zip(predictions, outputs, strict=True))


def bound(outputs: tuple[int, ...]) -> float:
    """(R / gamma)^2 for the line of widest margin, with a third input 1 that carries the bias."""
    w1, w2, b = LINES[outputs]
    margins = [(w1 * x1 + w2 * x2 + b) * (2 * y - 1) for (x1, x2), y in zip(INPUTS, outputs, strict=True)]
    gamma = min(margins) / hypot(w1, w2, b)
    longest = max(hypot(x1, x2, 1) for x1, x2 in INPUTS)
    return (longest / gamma) ** 2


if __name__ == "__main__":
    main()
