import pytest
from pydantic import ValidationError

from engine.losses import HuberSpec
from engine.optimizers import AdamSpec
from engine.training import (
    DatasetValidation,
    EarlyStoppingSpec,
    FractionValidation,
    NoValidation,
    TrainingSpec,
)


def test_defaults():
    spec = TrainingSpec()
    assert (spec.epochs, spec.batch_size, spec.seed, spec.loss) == (200, 32, 0, "auto")
    assert spec.optimizer == AdamSpec(learning_rate=0.001)
    assert spec.validation == FractionValidation(fraction=0.2)
    assert spec.early_stopping == EarlyStoppingSpec(patience=20, min_delta=0)


def test_reads_the_json_of_the_api():
    spec = TrainingSpec.model_validate_json(
        """{"epochs": 50, "batch_size": 32, "optimizer": {"kind": "adam", "learning_rate": 0.001},
        "schedule": {"kind": "warmup", "epochs": 2, "then": {"kind": "cosine"}}, "loss": {"kind": "huber"},
        "validation": {"kind": "dataset", "dataset_id": "ds_1"}, "early_stopping": {"patience": 10},
        "class_weights": {"yes": 2.5}, "seed": 9223372036854775807}"""
    )
    assert spec.loss == HuberSpec()
    assert spec.validation == DatasetValidation(dataset_id="ds_1")
    assert TrainingSpec.model_validate_json(spec.model_dump_json()) == spec


def test_without_validation_there_is_no_early_stopping():
    spec = TrainingSpec(validation=NoValidation())
    assert spec.early_stopping is None
    assert TrainingSpec.model_validate_json(spec.model_dump_json()) == spec
    assert TrainingSpec(validation=NoValidation(), early_stopping=None) == spec


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"validation": {"kind": "none"}, "early_stopping": {"patience": 3}}, ("early_stopping",)),
        ({"epochs": 0}, ("epochs",)),
        ({"epochs": 1_000_001}, ("epochs",)),
        ({"batch_size": 65_537}, ("batch_size",)),
        ({"validation": {"kind": "fraction", "fraction": 0.95}}, ("validation", "fraction", "fraction")),
        ({"validation": {"kind": "dataset"}}, ("validation", "dataset", "dataset_id")),
        ({"early_stopping": {"patience": 0}}, ("early_stopping", "patience")),
        ({"l1": -1}, ("l1",)),
        ({"l2": float("inf")}, ("l2",)),
        ({"clip_norm": 0}, ("clip_norm",)),
        ({"seed": 2**63}, ("seed",)),
        ({"seed": -1}, ("seed",)),
        ({"optimizer": {"kind": "newton"}}, ("optimizer",)),
        ({"optimiser": {"kind": "adam"}}, ("optimiser",)),
        ({"loss": {"kind": "huber", "delta": -1}}, ("loss", "object", "huber", "delta")),
        ({"loss": "mse"}, ("loss", "word")),
        ({"class_weights": {"yes": 0}}, ("class_weights", "object", "yes")),
        ({"class_weights": "even"}, ("class_weights", "word")),
    ],
)
def test_impossible_values_are_refused_at_their_field(fields: dict, location: tuple):
    with pytest.raises(ValidationError) as caught:
        TrainingSpec.model_validate(fields)
    assert [error["loc"] for error in caught.value.errors()] == [location]


def test_the_schema_documents_every_field():
    schema = TrainingSpec.model_json_schema()
    assert all(field["description"] for field in schema["properties"].values())
