"""Everything that can be built, as data: kinds, formulas, sources and parameters, all read from the specs."""

from collections.abc import Iterable, Mapping
from functools import cache
from inspect import cleandoc
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

from engine.doctor import RULES, Rule
from engine.explaining import EXPLANATION_SPECS
from engine.initializers import INITIALIZER_SPECS
from engine.layers import LAYER_SPECS
from engine.losses import LOSS_SPECS
from engine.optimizers import OPTIMIZER_SPECS
from engine.pretraining import PRETRAINING_SPECS
from engine.schedules import SCHEDULE_SPECS
from engine.spec import Spec
from engine.templates import TEMPLATE_SPECS

JsonSchema = Mapping[str, Any]  # as pydantic writes it


class Parameter(BaseModel):
    """A field of a spec."""

    name: str
    type: Literal["boolean", "integer", "number", "string", "array", "object"]
    nullable: bool = Field(description="Whether null is allowed.")
    required: bool
    default: JsonValue
    minimum: float | None = Field(description="Smallest value allowed, of an array: of each item.")
    exclusive_minimum: bool = Field(description="Whether `minimum` itself is not allowed.")
    maximum: float | None = Field(description="Largest value allowed, of an array: of each item.")
    exclusive_maximum: bool = Field(description="Whether `maximum` itself is not allowed.")
    choices: list[str] | None = Field(description="All values allowed, of an object: of its `kind`.")
    description: str


class Entry(BaseModel):
    """A kind of spec."""

    kind: str
    summary: str
    formula: str = Field(description="In LaTeX; empty where there is none.")
    source: str = Field(description="Author, year, title; empty where there is none.")
    parameters: list[Parameter]


class Method(Entry):
    """A way to explain a model."""

    cost: str = Field(description="How much work it is.")


class Catalog(BaseModel):
    """Every kind that there is, by what it is for."""

    layers: list[Entry]
    activations: list[Entry]
    losses: list[Entry]
    optimizers: list[Entry]
    schedules: list[Entry]
    initializers: list[Entry]
    templates: list[Entry]
    pretraining: list[Entry]
    explanations: list[Method]
    findings: list[Rule] = Field(description="What the training doctor may find, and by which rule.")


@cache
def catalog() -> Catalog:
    """The catalog of this version of the engine."""
    return Catalog(
        layers=_entries(spec for spec in LAYER_SPECS if not spec.is_activation),
        activations=_entries(spec for spec in LAYER_SPECS if spec.is_activation),
        losses=_entries(LOSS_SPECS),
        optimizers=_entries(OPTIMIZER_SPECS),
        schedules=_entries(SCHEDULE_SPECS),
        initializers=_entries(INITIALIZER_SPECS),
        templates=_entries(TEMPLATE_SPECS),
        pretraining=_entries(PRETRAINING_SPECS),
        explanations=[Method(**vars(_entry(spec, "method")), cost=spec.cost) for spec in EXPLANATION_SPECS],
        findings=list(RULES),
    )


def _entries(specs: Iterable[type[Spec]]) -> list[Entry]:
    return [_entry(spec) for spec in specs]


def _entry(spec: type[Spec], tag: str = "kind") -> Entry:
    schema = spec.model_json_schema()
    if "$ref" in schema:  # a spec that may hold itself
        schema = schema["$defs"][spec.__name__]
    fields: dict[str, JsonSchema] = schema["properties"]
    required = schema.get("required", [])
    return Entry(
        kind=fields[tag]["const"],
        summary=cleandoc(spec.__doc__ or ""),
        formula=spec.formula,
        source=spec.source,
        parameters=[
            _parameter(name, field, name in required) for name, field in fields.items() if name != tag
        ],
    )


def _parameter(name: str, field: JsonSchema, required: bool) -> Parameter:
    """Read a field's JSON schema: null may be one alternative, specs by `kind` another; of more, the first tells."""
    alternatives: list[JsonSchema] = field.get("anyOf", [field])
    nullable = {"type": "null"} in alternatives
    value = next(one for one in alternatives if one != {"type": "null"})
    bounded = value.get("items", value)
    kinds = value.get("discriminator", {}).get("mapping")
    return Parameter(
        name=name,
        type="object" if kinds else value["type"],
        nullable=nullable,
        required=required,
        default=field.get("default"),
        minimum=bounded.get("minimum", bounded.get("exclusiveMinimum")),
        exclusive_minimum="exclusiveMinimum" in bounded,
        maximum=bounded.get("maximum", bounded.get("exclusiveMaximum")),
        exclusive_maximum="exclusiveMaximum" in bounded,
        choices=list(kinds) if kinds else value.get("enum"),
        description=field.get("description", ""),
    )
