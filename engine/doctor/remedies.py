"""Changes of a job's request that several rules advise."""

from math import log10

from pydantic import JsonValue

from engine.doctor.findings import Operation, Remedy
from engine.network import NetworkSpec
from engine.training import TrainingSpec

HIGHEST_RATE, LOWEST_RATE = 1000.0, 1e-12


def replace(path: str, value: JsonValue) -> Operation:
    """Another value for what is there."""
    return Operation(op="replace", path=path, value=value)


def usual_rate(training: TrainingSpec) -> float:
    """The learning rate that the optimizer has where none is given."""
    return float(type(training.optimizer).model_fields["learning_rate"].default)


def with_rate(rate: float) -> Operation:
    """Another learning rate, to two digits."""
    return replace("/training/optimizer/learning_rate", float(f"{rate:.2g}"))


def lower_rate(training: TrainingSpec) -> Remedy:
    """A tenth of the learning rate, or the optimizer's usual one where that is lower still."""
    rate = max(min(training.optimizer.learning_rate / 10, usual_rate(training)), LOWEST_RATE)
    return Remedy(
        detail=f"Lower the learning rate from {training.optimizer.learning_rate:g} to {rate:.2g}.",
        patch=(with_rate(rate),),
    )


def higher_rate(training: TrainingSpec, factor: float) -> Remedy:
    """The learning rate times `factor`, rounded to a power of ten, but not above the optimizer's usual one."""
    given = training.optimizer.learning_rate
    rate = max(given * 10, min(given * 10 ** max(1, round(log10(factor))), usual_rate(training)))
    rate = min(rate, HIGHEST_RATE)
    return Remedy(
        detail=f"Raise the learning rate from {given:g} to {rate:.2g}.",
        patch=(with_rate(rate),),
    )


def layers_of(network: NetworkSpec) -> list[dict[str, JsonValue]]:
    """The layers in JSON, to make patches from."""
    layers: list[dict[str, JsonValue]] = network.model_dump(mode="json")["layers"]
    return layers
