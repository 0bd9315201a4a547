"""Fukushima 1980: S-cells and C-cells, and a pattern that is recognised although it has moved.

Three networks of about the same size learn digits in the middle of a frame of 12x12 pixels: a
neocognitron, a convolutional network of today (small convolutions with ReLU and max pooling), and a
multilayer perceptron. Then the digits move. For the perceptron each pixel is an input of its own, so a
digit that moves by two pixels is another picture; the other two look for the same features everywhere and
forgive their place.

    K. Fukushima, Neocognitron: a self-organizing neural network model for a mechanism of pattern
    recognition unaffected by shift in position, 1980 (the year 1986 that one reads at times is wrong)
"""

from itertools import cycle

from client import Backpropd, Json, Trained, connect, expect
from digits import Digits, load, padded

SIDE = 12
FARTHEST = 2
IMAGE = {"input_shape": [SIDE, SIDE, 1]}
NETWORKS: dict[str, Json] = {
    "neocognitron": {"kind": "neocognitron", **IMAGE, "features": [16, 32]},
    "convolutional": {
        "kind": "vgg",
        **IMAGE,
        "filters": [12, 24, 32],
        "convolutions": [1, 1, 1],
        "hidden": [64],
    },
    "perceptron": {"kind": "mlp", "hidden": [88]},
}
EPOCHS = {"neocognitron": 25, "convolutional": 15, "perceptron": 15}
LEARNING_RATE = {"neocognitron": 0.02, "convolutional": 0.003, "perceptron": 0.003}
MARGIN = 0.15


def main() -> None:
    """Train the three on centred digits and show how many moved ones they recognise."""
    with connect(__doc__) as service:
        found = {name: recognised(service, name) for name in NETWORKS}
        print(
            f"{'digits moved by':16}" + "".join(f"{f'{distance} px':>8}" for distance in range(FARTHEST + 1))
        )
        for name, shares in found.items():
            print(f"{name:16}" + "".join(f"{share:8.1%}" for share in shares))
        perceptron = found.pop("perceptron")
        for name, shares in found.items():
            expect(shares[0] > 0.9, f"the {name} network learns the digits in the middle")
            ahead = shares[-1] - perceptron[-1]
            expect(
                ahead > MARGIN,
                f"of those moved by {FARTHEST} pixels it recognises {ahead:.0%} more than the perceptron",
            )


def recognised(service: Backpropd, name: str) -> list[float]:
    """The share of the test digits that a network recognises, for each distance that they are moved by."""
    train, test = load()
    model = learned(service, name, train)
    return [
        service.accuracy(model, service.upload(f"moved by {distance}", moved(test, distance).columns()))
        for distance in range(FARTHEST + 1)
    ]


def learned(service: Backpropd, name: str, digits: Digits) -> Trained:
    """A network trained on digits in the middle."""
    network = service.network(NETWORKS[name])
    cost = service.summary(network, outputs=10, input_shape=str(SIDE**2))
    print(f"{name}: {cost['parameters']:,} parameters")
    return service.train(
        service.upload("centred digits", moved(digits, 0).columns()),
        "digit",
        scaling="unit",
        network_id=network,
        training={
            "epochs": EPOCHS[name],
            "optimizer": {"kind": "adam", "learning_rate": LEARNING_RATE[name]},
            "validation": {"kind": "none"},
        },
    )


def moved(digits: Digits, distance: int) -> Digits:
    """The digits in the frame, moved by `distance` pixels: in turn up, down, left and right."""
    ways = cycle([(-distance, 0), (distance, 0), (0, -distance), (0, distance)])
    images = [padded(image, SIDE, *way) for image, way in zip(digits.images, ways, strict=False)]
    return Digits(images, digits.labels)


if __name__ == "__main__":
    main()
