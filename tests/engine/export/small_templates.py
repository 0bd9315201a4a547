"""Every template in a small size: its spec, the shape of its rows, and how many outputs."""

from engine.templates import (
    AlexnetSpec,
    AutoencoderSpec,
    DbnSpec,
    GruTemplateSpec,
    Lenet5Spec,
    LogisticRegressionSpec,
    LstmTemplateSpec,
    MlpSpec,
    NeocognitronSpec,
    PerceptronSpec,
    RealmlpSpec,
    ResnetSmallSpec,
    TabmSpec,
    TemplateSpec,
    TransformerSmallSpec,
    VggSpec,
)

IMAGE, SERIES, TABLE = (16, 16, 3), (5, 2), (6,)

_ALL: list[tuple[TemplateSpec, tuple[int, ...], int]] = [
    (PerceptronSpec(), TABLE, 1),
    (LogisticRegressionSpec(), TABLE, 3),
    (MlpSpec(hidden=(8, 8)), TABLE, 3),
    (AutoencoderSpec(hidden=(5,), bottleneck=2), TABLE, 6),
    (DbnSpec(hidden=(8, 4)), TABLE, 3),
    (RealmlpSpec(hidden=(8, 8)), TABLE, 3),
    (TabmSpec(members=3, hidden=(8,), bins=4, embedding=3), TABLE, 3),
    (Lenet5Spec(input_shape=(32, 32, 1)), (32, 32, 1), 10),
    (AlexnetSpec(input_shape=IMAGE, width=0.05, upscale=6), IMAGE, 3),
    (VggSpec(input_shape=IMAGE, filters=(4, 4), convolutions=(1, 2), hidden=(8,)), IMAGE, 3),
    (ResnetSmallSpec(input_shape=IMAGE, blocks=1, filters=4), IMAGE, 3),
    (NeocognitronSpec(input_shape=(20, 20, 1), features=(4, 4)), (20, 20, 1), 3),
    (LstmTemplateSpec(units=4, features=2, bidirectional=True), SERIES, 3),
    (GruTemplateSpec(units=4, features=2, depth=2), SERIES, 3),
    (TransformerSmallSpec(width=8, heads=2, features=2), SERIES, 3),
]
SMALL = {spec.model_dump()["kind"]: (spec, shape, outputs) for spec, shape, outputs in _ALL}
