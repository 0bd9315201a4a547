"""scikit-learn: MLPClassifier and MLPRegressor, whose network is of dense layers with ReLU."""

import warnings
from collections.abc import Iterator

from cases import Case
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

EPOCHS = 3  # a call, so that its checks of the data do not count for much


def trainer(case: Case) -> Iterator[int]:
    x, y = case.data()
    hidden = [int(part[1]) for part in case.parts if part[0] == "dense"][:-1]
    kind = MLPClassifier if case.classes else MLPRegressor
    model = kind(
        hidden_layer_sizes=hidden,
        batch_size=case.batch,
        max_iter=EPOCHS,
        n_iter_no_change=10**9,
        alpha=0.0,
        warm_start=True,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)
    y = y if case.classes else y.ravel()
    while True:
        model.fit(x, y)
        yield EPOCHS * case.rows
