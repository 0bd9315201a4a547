"""Krizhevsky, Sutskever and Hinton 2012: the size of AlexNet, and a small one that reads digits.

The full network has 62,378,344 parameters in one tower. The article's has two, on two graphics cards, which
see each other's maps in some layers only; that leaves 60,965,224 of them. The same layers with a
twelfth of the filters, for digits of 8x8 pixels that are made nine times as large, learn within a minute.

    A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet classification with deep convolutional neural networks
"""

from client import Backpropd, Json, connect, expect
from digits import SIDE, load

SMALL = {"input_shape": [SIDE, SIDE, 1], "upscale": 9, "width": 1 / 12, "dropout": 0.1}


def main() -> None:
    """Count the parameters, then train the small one."""
    with connect(__doc__) as service:
        for layer in size(service, groups=2)["layers"]:
            print(
                f"{layer['kind']:30}{'x'.join(map(str, layer['output_shape'])):>12}{layer['parameters']:12,}"
            )
        for groups, parameters in ((1, 62_378_344), (2, 60_965_224)):
            expect(
                size(service, groups=groups)["parameters"] == parameters,
                f"AlexNet with groups {groups} has {parameters:,} parameters",
            )
        share = recognised(service)
        print(f"the small one recognises {share:.1%} of the test digits")
        expect(share > 0.85, "a scaled-down AlexNet learns digits")


def size(service: Backpropd, *, groups: int) -> Json:
    """What the full network costs, layer by layer, for the 1000 classes of ImageNet."""
    return service.summary(service.network({"kind": "alexnet", "groups": groups}), outputs=1000)


def recognised(service: Backpropd) -> float:
    """The share of the test digits that the small one recognises."""
    train, test = load()
    model = service.train(
        service.upload("digits", train.columns()),
        "digit",
        scaling="unit",
        network_id=service.network({"kind": "alexnet", **SMALL}),
        training={
            "epochs": 12,
            "optimizer": {"kind": "adam", "learning_rate": 0.002},
            "validation": {"kind": "none"},
        },
    )
    return service.accuracy(model, service.upload("test digits", test.columns()))


if __name__ == "__main__":
    main()
