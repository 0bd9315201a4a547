"""Small trainings whose outcome depends on all kinds of state, each a second or a few long."""

from serving import lasting
from sklearn.datasets import load_digits

TARGET = "digit"
IMAGES = {"kind": "reshape", "shape": [6, 9, 1]}  # of the 54 pixels that are not constant
DENSE = [{"kind": "dense", "units": 24}, {"kind": "relu"}]
LAST = {"kind": "dense"}
TRAININGS = {
    "dropout, early stopping, plateau": (
        [*DENSE, {"kind": "batch_normalization"}, {"kind": "dropout", "rate": 0.2}, LAST],
        {
            "epochs": lasting(400),
            "early_stopping": {"patience": lasting(390)},
            "schedule": {"kind": "reduce_on_plateau", "patience": 5},
        },
    ),
    "convolution and augmentation": (
        [
            IMAGES,
            {"kind": "random_shift"},
            {"kind": "conv2d", "filters": 8},
            {"kind": "relu"},
            {"kind": "flatten"},
            LAST,
        ],
        {"epochs": lasting(150), "early_stopping": None},
    ),
    "l-bfgs": (
        [*DENSE, LAST],
        {"epochs": lasting(600), "early_stopping": None, "optimizer": {"kind": "lbfgs"}, "l2": 0.01},
    ),
    "mixup, accumulation, average": (
        [*DENSE, LAST],
        {"epochs": lasting(500), "early_stopping": None, "mixup": 0.3, "accumulate": 3, "weight_average": {}},
    ),
    "pretraining": (
        [{"kind": "dense", "units": 24}, {"kind": "sigmoid"}, LAST],
        {
            "epochs": lasting(500),
            "early_stopping": None,
            "pretraining": {"kind": "rbm", "epochs": 60, "visible": "gaussian"},
        },
    ),
}


def table() -> bytes:
    """300 pictures of digits, as CSV."""
    digits = load_digits()
    rows = [",".join([*(f"p{i}" for i in range(64)), TARGET])]
    rows += [
        ",".join([*map(str, x), f"d{y}"]) for x, y in zip(digits.data[:300], digits.target, strict=False)
    ]
    return "\n".join(rows).encode()
