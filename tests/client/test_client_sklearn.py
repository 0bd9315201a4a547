"""scikit-learn's own checks of the estimators, trained by a real service, and what they promise beyond."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from serving import PENGUINS, Running
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from backpropd_client import Invalid, NotFound
from backpropd_client.sklearn import BackpropdClassifier, BackpropdRegressor

pytestmark = pytest.mark.slow

QUICK = {
    "network": [{"kind": "dense", "units": 16}, {"kind": "tanh"}, {"kind": "dense"}],
    "training": {
        "epochs": 30,
        "batch_size": 16,
        "optimizer": {"kind": "adam", "learning_rate": 0.03},
        "validation": {"kind": "none"},
        "baselines": "none",
    },
}
"""A network that trains in a moment: the checks are of the estimator, not of the recipe."""


@pytest.fixture(scope="module", autouse=True)
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("sklearn") / "data", checkpoint_seconds=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKPROPD_URL", running.url)
        yield running
    running.close()


@parametrize_with_checks([BackpropdClassifier(**QUICK), BackpropdRegressor(**QUICK)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def penguins():
    return pd.read_csv(PENGUINS)


def test_frames_keep_their_categories_and_missing_values(penguins):
    """Text, missing values and names go to the service as they are, from pandas and from polars to the same model."""
    x, y = penguins.drop(columns="species"), penguins["species"]
    assert x["sex"].isna().any()
    fitted = BackpropdClassifier(random_state=1, **QUICK).fit(x, y)
    assert fitted.classes_.tolist() == ["Adelie", "Chinstrap", "Gentoo"]
    assert fitted.model.classes == ["Adelie", "Chinstrap", "Gentoo"]
    assert {"island", "sex"} < set(fitted.feature_names_in_)
    assert fitted.score(x, y) > 0.97
    frame = pl.read_csv(PENGUINS, null_values="NA")
    same = BackpropdClassifier(random_state=1, **QUICK).fit(frame.drop("species"), y)
    np.testing.assert_array_equal(same.predict_proba(x), fitted.predict_proba(x))


def test_a_pickled_one_answers_the_same_and_asks_with_arrays_too():
    data = load_iris(as_frame=True)
    fitted = make_pipeline(StandardScaler().set_output(transform="pandas"), BackpropdClassifier(**QUICK))
    fitted.fit(data.data, data.target_names[data.target])
    thawed = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(thawed.predict(data.data), fitted.predict(data.data))
    last, rows = fitted[-1], fitted[0].transform(data.data)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        from_array = last.predict_proba(rows.to_numpy())
    np.testing.assert_array_equal(from_array, last.predict_proba(rows))


def test_a_search_finds_what_learns_better():
    x, y = load_iris(return_X_y=True)
    training = QUICK["training"]
    search = GridSearchCV(
        BackpropdClassifier(network=QUICK["network"], random_state=0),
        {"training": [{**training, "epochs": 1, "batch_size": 150}, training]},
        cv=2,
    )
    assert search.fit(x, y).best_params_ == {"training": training}
    assert search.best_score_ > 0.9


def test_columns_that_tell_nothing_are_left_out():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.zeros(60), rng.normal(size=60), np.ones(60), rng.normal(size=60)])
    y = np.column_stack([x[:, 1] * 2, x[:, 3] - x[:, 1]])
    fitted = BackpropdRegressor(random_state=0, **QUICK).fit(x, y)
    assert fitted.model.features == ["x1", "x3"]
    assert fitted.predict(x).shape == (60, 2)
    assert fitted.score(x, y) > 0.9


@pytest.mark.parametrize("labels", [["NA", "1"], [True, False]])
def test_labels_that_mean_something_else_in_a_table(labels):
    x = np.array([[-1.0], [1.0]] * 20)
    y = np.array(labels * 20)
    fitted = BackpropdClassifier(random_state=0, **QUICK).fit(x, y)
    assert fitted.predict(x).tolist() == y.tolist()


def test_only_the_model_stays(service):
    x, y = load_iris(return_X_y=True)
    with pytest.raises(Invalid, match="unknown field"):
        BackpropdClassifier(training={"epoch": 3}).fit(x, y)
    fitted = BackpropdClassifier(model_name="iris", **QUICK).fit(x, y)
    assert service.client.get("/v1/datasets").json()["items"] == []
    assert service.client.get("/v1/models/iris").json()["id"] == fitted.model_id_
    service.client.delete("/v1/models/iris")
    with pytest.raises(NotFound):
        fitted.predict(x)
