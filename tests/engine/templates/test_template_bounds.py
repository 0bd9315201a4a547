"""Whatever the bounds of a template's fields allow: a network, however large, or a reason why not."""

from random import Random

import pytest
from json_values import JsonValues
from pydantic import TypeAdapter, ValidationError

from engine.spec import InvalidSpec
from engine.summary import summarize
from engine.templates import TEMPLATE_SPECS, AnyTemplate, TemplateSpec

ADAPTER: TypeAdapter[TemplateSpec] = TypeAdapter(AnyTemplate)
SCHEMA = ADAPTER.json_schema()
ROW = (5040,)  # can be divided by every number up to 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", TEMPLATE_SPECS, ids=lambda kind: kind.__name__)
def test_any_fields_make_a_network_or_a_reason(kind: type[TemplateSpec]) -> None:
    built = 0
    for seed in range(100):
        values = JsonValues(SCHEMA, Random(seed)).named(kind.__name__)
        try:
            template = ADAPTER.validate_python(values)
        except ValidationError:
            continue  # fields that contradict each other
        try:
            network = template.build().resolve(3)
            summary = summarize(network, network.row_shape or ROW)
        except InvalidSpec:
            continue
        assert summary.output_shape[-1] == 3
        built += 1
    assert built
