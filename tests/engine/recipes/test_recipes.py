"""The recommended recipes: what they say as a table, how they are overridden, and that a kept job trains alike."""

import numpy as np
import polars as pl
import pytest

from engine.encoding.blocks import Block
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.tabular.columns import ColumnsSpec
from engine.layers.tabular.numerical_embedding import PbldSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.recipes import choose
from engine.recipes.layout import first_layers
from engine.recipes.realmlp import realmlp
from engine.spec import InvalidSpec
from engine.templates import MlpSpec
from engine.training import TrainingSpec

ROWS = 60
RNG = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "size": [None, *RNG.standard_normal(ROWS - 1)],
        "shape": RNG.choice(["round", "flat", "long"], ROWS),
        "place": [f"place {i % 12}" for i in range(ROWS)],
        "wet": RNG.choice(["yes", "no"], ROWS),
        "ripe": RNG.choice([True, False], ROWS),
        "kind": RNG.choice(["a", "b", "c"], ROWS),
        "price": RNG.standard_normal(ROWS) * 3 + 10,
    }
)
TYPES = {
    "size": "numeric",
    "shape": "categorical",
    "place": "categorical",
    "wet": "categorical",
    "ripe": "boolean",
    "kind": "categorical",
    "price": "numeric",
}
FEATURES = ["size", "shape", "place", "wet", "ripe"]


def fitting(target="kind", network=None, goal=None, **training) -> Fitting:
    wanted = GoalSpec.model_validate({"target": target, "features": FEATURES, **(goal or {})})
    return Fitting(Table(FRAME, TYPES), wanted, network, TrainingSpec.model_validate(training))


def run(made: Fitting) -> Model:
    for _ in made.run():
        pass
    return made.model


COMMON = {
    "epochs": 256,
    "batch_size": 256,
    "drop_last": True,
    "schedule": {"kind": "coslog4"},
    "decay_schedule": {"kind": "flat_cos", "flat": 0.5, "minimum": 0.0},
    "dropout_schedule": {"kind": "flat_cos", "flat": 0.5, "minimum": 0.0},
    "early_stopping": {"patience": 256, "min_delta": 0.0, "monitor": "error", "ties": "last"},
    "rate_factors": {"b": 0.1, "s": 6.0, "alpha": 0.1, "w1": 0.1, "b1": 0.1, "W2": 0.1, "b2": 0.1},
    "decay_factors": {"s": 6.0, "alpha": 0.1, "w1": 0.1, "W2": 0.1},
}


def adamw(rate: float, decay: float, beta2: float) -> dict:
    numbers = {"learning_rate": rate, "weight_decay": decay, "beta1": 0.9, "beta2": beta2, "epsilon": 1e-8}
    return {"kind": "adamw", **numbers}


@pytest.mark.parametrize(
    ("target", "own", "activation"),
    [
        (
            "kind",
            {"optimizer": adamw(0.04, 0.02, 0.95), "loss": {"kind": "cross_entropy", "label_smoothing": 0.1}},
            "selu",
        ),
        (
            "wet",
            {"optimizer": adamw(0.04, 0.02, 0.95), "loss": {"kind": "log_loss", "label_smoothing": 0.1}},
            "selu",
        ),
        ("price", {"optimizer": adamw(0.2, 0.02, 0.95), "loss": {"kind": "mse"}}, "mish"),
    ],
)
def test_realmlp_td_as_a_table(target, own, activation):
    goal = {"features": [name for name in FEATURES if name != target]}
    made = fitting(target, goal=goal)
    assert made.training.model_dump(mode="json") == TrainingSpec().model_dump(mode="json") | COMMON | own
    assert (made.goal.quality, made.goal.scaling, made.goal.categories) == (
        "recommended",
        "robust",
        "by_size",
    )
    assert made.goal.clip is (target == "price")
    dense = {"kind": "dense", "parametrization": "ntp", "start": "data"}
    block = [
        {**dense, "units": 256},
        {"kind": "parametric_activation", "activation": activation, "alpha": 1.0},
        {"kind": "dropout", "rate": 0.15},
    ]
    last = {**dense, "units": {"kind": 3, "wet": 1, "price": 1}[target]}
    layers = made.network_spec.model_dump(mode="json")["layers"]
    assert layers[0]["kind"] == "columns"
    for layer, wanted in zip(layers[1:], [{"kind": "scaling"}, *block * 3, last], strict=True):
        assert wanted.items() <= layer.items()


def test_tabm_as_a_table():
    made = fitting(goal={"quality": "high"})
    own = {
        "epochs": 200,
        "batch_size": 256,
        "optimizer": adamw(0.002, 0.0003, 0.999),
        "early_stopping": {"patience": 16, "min_delta": 0.0, "monitor": "error", "ties": "first"},
    }
    assert made.training.model_dump(mode="json") == TrainingSpec().model_dump(mode="json") | own
    assert (made.goal.scaling, made.goal.categories, made.goal.clip) == ("quantile", "one_hot", False)
    kinds = [layer.kind for layer in made.network_spec.layers]
    assert kinds == ["columns", *["batch_ensemble_dense", "relu", "dropout"] * 3, "member_dense"]
    assert made.network_spec.layers[0].branches[0][0].bins == 48
    assert made.network_spec.layers[1].members == 32


def test_fast_is_realmlp_but_smaller():
    made = fitting(goal={"quality": "fast"})
    assert made.training.epochs == made.training.early_stopping.patience == 64
    assert [layer.units for layer in made.network_spec.layers if layer.kind == "dense"] == [128, 128, 3]
    assert made.training.optimizer == fitting().training.optimizer


def test_the_row_and_its_first_layer():
    """Numbers, flags, codes: the table's order in the row, and each kind's own way in the network."""
    made = fitting()
    names = ("size", "size missing", "shape = flat", "shape = long", "shape = round", "place", "wet", "ripe")
    assert made.encoder.output_names == names
    code = (EmbeddingSpec(size=13, dimension=8), FlattenSpec())
    wanted = ColumnsSpec(columns=(((0, 1),), ((1, 5), (6, 8)), ((5, 6),)), branches=((PbldSpec(),), (), code))
    assert made.network_spec.layers[0] == wanted
    assert made.network_spec.build(made.encoder.shape)[0].out_shape == (4 + 6 + 8,)


def test_rows_of_one_form_need_no_parting():
    assert first_layers([Block("number", 2), Block("number", 1)], (PbldSpec(),)) == (PbldSpec(),)
    assert first_layers([Block("flag", 2)], (PbldSpec(),)) == ()


GIVEN = [
    ({"epochs": 20}, {"epochs": 20, "patience": 20}),
    ({"epochs": 20, "early_stopping": {"patience": 5}}, {"patience": 5, "monitor": "error", "ties": "last"}),
    ({"optimizer": {"kind": "adamw", "learning_rate": 0.01}}, {"learning_rate": 0.01, "beta2": 0.95}),
    ({"optimizer": {"kind": "adam", "learning_rate": 0.01}}, {"learning_rate": 0.01, "beta2": 0.999}),
    ({"schedule": {"kind": "constant"}}, {"schedule": "constant", "dropout_schedule": "flat_cos"}),
    ({"batch_size": 32, "drop_last": False}, {"batch_size": 32, "drop_last": False, "epochs": 256}),
    ({"rate_factors": {"b": 1.0}}, {"b": 1.0, "s": 6.0}),
    ({"loss": {"kind": "cross_entropy"}}, {"label_smoothing": 0.0, "monitor": "loss"}),
    ({"loss": "auto"}, {"label_smoothing": 0.1, "monitor": "error"}),
    ({"early_stopping": None}, {"early_stopping": None}),
    ({"validation": {"kind": "none"}}, {"early_stopping": None, "epochs": 256}),
    ({"seed": 7}, {"seed": 7, "epochs": 256}),
]


@pytest.mark.parametrize(("given", "wanted"), GIVEN, ids=lambda each: str(each)[:60])
def test_what_is_given_overrides_field_by_field(given, wanted):
    spec = fitting(**given).training
    flat = {name: getattr(value, "kind", value) for name, value in spec}
    for inner in (spec.optimizer, spec.early_stopping, spec.loss):
        flat |= dict(inner or {})
    flat |= spec.rate_factors
    assert {name: flat[name] for name in wanted} == wanted


@pytest.mark.parametrize("goal", [{}, {"quality": "fast"}, {"quality": "high"}], ids=str)
def test_a_kept_job_trains_alike(goal):
    """A job keeps the resolved goal, network and training as JSON: they are the same training, bit by bit."""
    first = fitting(goal=goal, epochs=2)
    kept_goal = first.goal.model_copy(update={"quality": None})
    again = Fitting(
        Table(FRAME, TYPES),
        GoalSpec.model_validate_json(kept_goal.model_dump_json()),
        NetworkSpec.model_validate_json(first.network_spec.model_dump_json()),
        TrainingSpec.model_validate_json(first.training.model_dump_json()),
    )
    assert again.training == first.training
    assert run(first).to_bytes() == run(again).to_bytes()


def test_the_request_as_filled_in_is_the_same_request():
    first = fitting(epochs=2)
    again = Fitting(
        Table(FRAME, TYPES),
        first.goal,
        None,
        TrainingSpec.model_validate_json(first.training.model_dump_json()),
    )
    assert (again.goal, again.network_spec, again.training) == (
        first.goal,
        first.network_spec,
        first.training,
    )


def test_a_network_of_ones_own_has_the_plain_recipe():
    made = fitting(network=MlpSpec().build(), epochs=3)
    assert made.training == TrainingSpec(epochs=3)
    assert (made.goal.scaling, made.goal.categories, made.goal.clip) == ("standard", "one_hot", False)


@pytest.mark.parametrize(
    ("goal", "training", "what"),
    [
        ({"quality": "high"}, {"optimizer": {"kind": "lbfgs"}}, "under lbfgs"),
        ({"quality": "fast", "target": None}, {}, "without a target"),
        ({"quality": "fast"}, {}, "the network is given"),
    ],
)
def test_quality_where_it_makes_no_sense_is_refused(goal, training, what):
    network = MlpSpec().build() if what == "the network is given" else None
    with pytest.raises(InvalidSpec, match=what) as caught:
        fitting(network=network, goal=goal, **training)
    assert caught.value.path == ("quality",)


@pytest.mark.parametrize(
    ("quality", "rows", "epochs"),
    [
        ("recommended", 100_000, 256),
        ("recommended", 1_000_000, 25),
        ("recommended", 10_000_000, 4),
        ("fast", 10_000, 64),
        ("fast", 1_000_000, 4),
        ("high", 50_000, 200),
        ("high", 1_000_000, 10),
    ],
)
def test_large_tables_have_fewer_epochs_and_are_told(quality, rows, epochs):
    recipe, note = choose(GoalSpec(target="y", quality=quality), TrainingSpec(), "binary", rows)
    assert recipe.trained(TrainingSpec()).epochs == epochs
    assert (f"{rows:,} rows are many" in note) == (epochs < choose_most(quality))


def choose_most(quality: str) -> int:
    return {"fast": 64, "recommended": 256, "high": 200}[quality]


def test_predictions_stay_within_the_training_rows():
    made = fitting("price", epochs=2)
    model = run(made)
    wild = FRAME.with_columns(size=pl.lit(1e9))
    low, high = made.training_rows["price"].min(), made.training_rows["price"].max()
    answers = model.target.answers(np.array([[-1e3], [0.0], [1e3]]))
    assert (answers[0, 0], answers[2, 0]) == (pytest.approx(low), pytest.approx(high))
    assert low <= model.answers(wild).min() <= model.answers(wild).max() <= high
    again = Model.from_bytes(model.to_bytes())
    assert again.answers(wild).tobytes() == model.answers(wild).tobytes()


def test_the_best_epoch_is_the_last_with_the_fewest_errors():
    made = fitting(epochs=12)
    points = [progress.point for progress in made.run() if progress.point]
    errors = [1 - point.metrics["validation_accuracy"] for point in points]
    assert made.best_epoch == max(i for i, error in enumerate(errors, 1) if error == min(errors))


def test_factors_are_those_of_the_parameters_that_there_are():
    only_flags = Fitting(Table(FRAME, TYPES), GoalSpec(target="kind", features=("wet",)))
    assert only_flags.training.rate_factors == {"b": 0.1, "s": 6.0, "alpha": 0.1}
    assert only_flags.training.decay_factors == {"s": 6.0, "alpha": 0.1}
    assert realmlp("binary").trained(TrainingSpec()).rate_factors == {}  # before there is a network


def test_a_table_of_arrays_is_taken_as_numbers():
    arrays = np.random.default_rng(0).standard_normal((ROWS, 3, 2, 2)).astype(np.float32)
    frame = FRAME.select("kind").with_columns(pl.Series("a", arrays, dtype=pl.Array(pl.Float32, (3, 2, 2))))
    types = {"kind": "categorical", "a": "array"}
    made = Fitting(Table(frame, types), GoalSpec(target="kind", quality="fast"), None, TrainingSpec(epochs=1))
    assert [layer.kind for layer in made.network_spec.layers[:3]] == ["flatten", "pbld", "scaling"]
    assert len(run(made).predict(frame)) == ROWS


@pytest.mark.parametrize("quality", ["fast", "high"])
def test_a_start_from_a_recipe_s_model_reads_what_that_reads(quality):
    first = fitting(goal={"quality": quality}, epochs=1)
    goal = GoalSpec(target="kind", features=FEATURES)
    again = Fitting(Table(FRAME, TYPES), goal, start=run(first))
    assert again.encoder == first.encoder
    assert again.network_spec == first.network_spec


def test_the_plan_of_few_rows_tells_of_several_networks():
    def tells(rows, **training):
        _, note = choose(GoalSpec(target="kind"), TrainingSpec.model_validate(training), "multiclass", rows)
        return "members 5" in note

    assert tells(1500)
    assert not tells(1501)
    assert not tells(1500, members=5)
    assert not tells(1500, validation={"kind": "none"})
