"""Hinton, Osindero and Teh 2006: a deep network learns after each layer has been trained by itself.

A stack of sigmoid layers hardly learns by backpropagation from a random start: the gradient shrinks from
layer to layer. As a stack of restricted Boltzmann machines each layer first learns, without labels, to
make its inputs likely (contrastive divergence); after that, a few passes of backpropagation are enough.
What is compared is the same network with the same recipe, with and without that start.

    G. Hinton, S. Osindero, Y.-W. Teh, A fast learning algorithm for deep belief nets, 2006
"""

from client import Backpropd, Json, Trained, connect, expect
from digits import load

EPOCHS = 10
HIDDEN = [128, 128, 128]
RBM = {"kind": "rbm", "epochs": 30, "learning_rate": 0.2}


def main() -> None:
    """Fine-tune both and compare them after every pass."""
    with connect(__doc__) as service:
        with_rbm, without = fine_tuned(service, RBM), fine_tuned(service, None)
        print("pass   accuracy with pretraining   without")
        for one, other in zip(with_rbm.points, without.points, strict=True):
            print(f"{one['epoch']:4}   {accuracy(one):25.1%}   {accuracy(other):7.1%}")
        shares = tested(service, with_rbm), tested(service, without)
        print(f"test   {shares[0]:25.1%}   {shares[1]:7.1%}")
        expect(
            accuracy(with_rbm.points[0]) > accuracy(without.points[0]) + 0.2,
            "pretraining gives a better start",
        )
        expect(shares[0] > 0.8, "a few passes are enough after it")
        expect(shares[1] < 0.5, "without it the same passes are not")


def fine_tuned(service: Backpropd, pretraining: Json | None) -> Trained:
    """The network after pretraining, if any, and a few passes of backpropagation."""
    train, _ = load()
    return service.train(
        service.upload("digits", train.columns()),
        "digit",
        scaling="unit",
        network_id=service.network({"kind": "dbn", "hidden": HIDDEN}),
        training={
            "epochs": EPOCHS,
            "pretraining": pretraining,
            "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9},
            "validation": {"kind": "none"},
        },
    )


def accuracy(point: Json) -> float:
    """The share of the training digits that were recognised during a pass."""
    return float(point["metrics"]["train_accuracy"])


def tested(service: Backpropd, model: Trained) -> float:
    """The share of the test digits that a model recognises."""
    _, test = load()
    return service.accuracy(model, service.upload("test digits", test.columns()))


if __name__ == "__main__":
    main()
