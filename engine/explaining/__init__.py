"""Why a model says what it says. THE one list of methods: a spec imported here is part of API and catalog.

Each file is a method: its spec, and functions over scores and encoded arrays. The specs bring no polars;
`tables`, which turns values of a table into such arrays, and `pictures` are imported where they are needed.
"""

from typing import get_args

from engine.explaining.accumulated_local_effects import AccumulatedLocalEffectsSpec
from engine.explaining.base import ExplanationSpec, Unexplainable
from engine.explaining.counterfactuals import CounterfactualsSpec
from engine.explaining.decision_surface import DecisionSurfaceSpec
from engine.explaining.gedeon import GedeonSpec
from engine.explaining.grad_cam import GradCamSpec
from engine.explaining.integrated_gradients import ExpectedGradientsSpec, IntegratedGradientsSpec
from engine.explaining.layer_values import LayerValuesSpec
from engine.explaining.nearest_rows import NearestRowsSpec
from engine.explaining.occlusion import OcclusionSpec
from engine.explaining.partial_dependence import PartialDependenceSpec
from engine.explaining.permutation_importance import PermutationImportanceSpec
from engine.explaining.shapley import ShapleySpec
from engine.explaining.suspect_labels import SuspectLabelsSpec

AnyExplanation = (
    AccumulatedLocalEffectsSpec
    | CounterfactualsSpec
    | DecisionSurfaceSpec
    | GedeonSpec
    | GradCamSpec
    | ExpectedGradientsSpec
    | IntegratedGradientsSpec
    | LayerValuesSpec
    | NearestRowsSpec
    | OcclusionSpec
    | PartialDependenceSpec
    | PermutationImportanceSpec
    | ShapleySpec
    | SuspectLabelsSpec
)
"""Any method's spec, told apart by `method`."""

EXPLANATION_SPECS: tuple[type[ExplanationSpec], ...] = get_args(AnyExplanation)

__all__ = [
    "EXPLANATION_SPECS",
    "AccumulatedLocalEffectsSpec",
    "AnyExplanation",
    "CounterfactualsSpec",
    "DecisionSurfaceSpec",
    "ExpectedGradientsSpec",
    "ExplanationSpec",
    "GedeonSpec",
    "GradCamSpec",
    "IntegratedGradientsSpec",
    "LayerValuesSpec",
    "NearestRowsSpec",
    "OcclusionSpec",
    "PartialDependenceSpec",
    "PermutationImportanceSpec",
    "ShapleySpec",
    "SuspectLabelsSpec",
    "Unexplainable",
]
