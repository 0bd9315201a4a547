"""Models put together by hand and kept as a job would keep them."""

from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from app.dependencies import Context
from app.ids import new_id
from app.models import service as models
from app.models.schemas import ModelItem
from app.models.service import NewModel
from engine import __version__
from engine.encoding.columns import infer
from engine.encoding.table import TableEncoder
from engine.encoding.target import (
    AnyTarget,
    ClassTarget,
    MultilabelTarget,
    ReconstructionTarget,
    RegressionTarget,
)
from engine.model import Model
from engine.network import Network, NetworkSpec
from engine.tasks import LINK
from engine.templates import MlpSpec
from engine.trust.assurance import Assurance, Conformal

ROWS = [
    {
        "island": "Dream",
        "bill": 39.1,
        "sex": "male",
        "species": "Adelie",
        "mass": 3750,
        "length": 1.5,
        "a": 0,
        "b": 1,
    },
    {
        "island": "Biscoe",
        "bill": 47.5,
        "sex": "female",
        "species": "Gentoo",
        "mass": 4950,
        "length": 2.5,
        "a": 1,
        "b": 1,
    },
    {
        "island": "Dream",
        "bill": 46.5,
        "sex": None,
        "species": "Chinstrap",
        "mass": 3500,
        "length": 0.5,
        "a": 0,
        "b": 0,
    },
    {
        "island": "Biscoe",
        "bill": None,
        "sex": "male",
        "species": "Gentoo",
        "mass": 5050,
        "length": 3.5,
        "a": 1,
        "b": 0,
    },
    {
        "island": "Dream",
        "bill": 40.2,
        "sex": "female",
        "species": "Adelie",
        "mass": 3300,
        "length": 2.0,
        "a": 0,
        "b": 1,
    },
]
FEATURES = ["island", "bill", "sex"]


def target_of(task: str, frame: pl.DataFrame, width: int) -> AnyTarget:
    """A target of each task, over the columns of `ROWS`."""
    match task:
        case "binary":
            return ClassTarget.fit(frame, ["a"])
        case "multiclass":
            return ClassTarget.fit(frame, ["species"])
        case "multilabel":
            return MultilabelTarget.fit(frame, ["a", "b"])
        case "regression":
            return RegressionTarget.fit(frame, ["mass"])
        case "several":
            return RegressionTarget.fit(frame, ["mass", "length"])
        case _:
            return ReconstructionTarget(width=width)


def make(
    task: str = "multiclass",
    rows: list[dict[str, Any]] = ROWS,
    features: list[str] = FEATURES,
    conformal: Conformal | None = None,
) -> Model:
    """A model with random weights, fitted to `rows` as far as its encoder and its target go."""
    frame, types, _ = infer(pl.DataFrame(rows))
    encoder, _ = TableEncoder.fit(frame, types, features)
    target = target_of(task, frame, encoder.width)
    spec: NetworkSpec = MlpSpec(hidden=(6,)).build().resolve(target.outputs)
    network = Network(spec, (encoder.width,), batch=1, rng=np.random.default_rng(0))
    network.init(np.random.default_rng(1))
    return Model(
        encoder=encoder,
        network=spec,
        link=LINK[target.kind],
        target=target,
        theta=network.theta,
        state=network.state,
        assurance=Assurance(conformal=conformal),
    )


def keep(context: Context, model: Model, name: str = "penguins", **changes: Any) -> ModelItem:
    """The model's file, then its row."""
    model_id = new_id("mdl")
    data = model.to_bytes()
    context.storage.model(model_id).write_bytes(data)
    values: dict[str, Any] = {
        "id": model_id,
        "name": name,
        "task": model.target.kind,
        "job_id": new_id("job"),
        "dataset_id": None,
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
        "features": [feature.model_dump(mode="json") for feature in model.features],
        "target": model.target.model_dump(mode="json"),
        "lineage": {
            "dataset": {"id": "ds_gone", "name": "penguins.csv", "sha256": "0" * 64},
            "network": model.network.model_dump(mode="json"),
            "training": {"epochs": 1, "seed": 7},
            "seed": 7,
            "engine_version": __version__,
            "environment": {"python": "3.11"},
        },
        "evaluation": None,
        "tags": [],
    }
    with context.database.write() as session:
        return models.create(session, NewModel(**values | changes))
