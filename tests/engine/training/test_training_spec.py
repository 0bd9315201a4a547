import pytest
from pydantic import ValidationError

from engine.losses import HuberSpec, PerceptronLossSpec
from engine.optimizers import AdamSpec, LbfgsSpec, PerceptronRuleSpec
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


def test_the_perceptron_rule_brings_its_loss_and_takes_rows_one_by_one():
    spec = TrainingSpec(optimizer=PerceptronRuleSpec())
    assert (spec.loss, spec.batch_size) == (PerceptronLossSpec(), 1)
    assert TrainingSpec.model_validate_json(spec.model_dump_json()) == spec
    assert TrainingSpec(optimizer=PerceptronRuleSpec(), loss=PerceptronLossSpec(), batch_size=1) == spec
    assert TrainingSpec(optimizer=PerceptronRuleSpec(), loss="auto", batch_size=8).batch_size == 8


def test_a_full_batch_is_all_rows():
    assert TrainingSpec(batch_size=16).batch_rows(100) == 16
    assert TrainingSpec(batch_size=16).batch_rows(10) == 10
    spec = TrainingSpec(batch_size=16, optimizer=LbfgsSpec())
    assert spec.batch_rows(100) == 100
    assert (spec.copied_rows(100, 8), TrainingSpec().copied_rows(100, 8)) == (0, 100)
    assert TrainingSpec.model_validate_json(spec.model_dump_json()) == spec  # what is off is off


def test_values_per_parameter():
    plain = {"validation": NoValidation()}
    assert TrainingSpec(**plain).values_per_parameter == 2  # of Adam
    assert TrainingSpec().values_per_parameter == 3  # and the best weights
    assert TrainingSpec(**plain, accumulate=2, weight_average={}).values_per_parameter == 4
    assert TrainingSpec(**plain, optimizer=LbfgsSpec(history=3)).values_per_parameter == 10


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
        ({"loss": "mse"}, ("loss", "object")),
        ({"optimizer": {"kind": "perceptron_rule"}, "loss": {"kind": "hinge"}}, ("loss",)),
        ({"optimizer": {"kind": "lbfgs"}, "accumulate": 2}, ("accumulate",)),
        ({"optimizer": {"kind": "lbfgs"}, "mixup": 0.2}, ("mixup",)),
        ({"optimizer": {"kind": "lbfgs"}, "clip_norm": 1}, ("clip_norm",)),
        ({"optimizer": {"kind": "lbfgs"}, "clip_value": 1}, ("clip_value",)),
        ({"rate_factors": {"b": -1}}, ("rate_factors", "b")),
        ({"weight_average": {"decay": 1}}, ("weight_average", "decay")),
        ({"max_norm": 0}, ("max_norm",)),
        ({"mixup": -0.1}, ("mixup",)),
        ({"accumulate": 0}, ("accumulate",)),
        ({"shuffle": "none"}, ("shuffle",)),
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
