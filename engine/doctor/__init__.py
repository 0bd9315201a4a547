"""The training doctor: coded findings about a training, with evidence and a remedy."""

from engine.doctor import activity, curves, data, gradients, leakage, rates
from engine.doctor.case import Case, FeatureColumns
from engine.doctor.doctor import Doctor
from engine.doctor.findings import Finding, Operation, Remedy, Rule, Severity
from engine.doctor.patch import apply

RULES: tuple[Rule, ...] = (
    *curves.RULES,
    *rates.RULES,
    *gradients.RULES,
    *activity.RULES,
    *data.RULES,
    leakage.LEAKAGE_SUSPECT,
)
"""Every kind of finding."""

__all__ = [
    "RULES",
    "Case",
    "Doctor",
    "FeatureColumns",
    "Finding",
    "Operation",
    "Remedy",
    "Rule",
    "Severity",
    "apply",
]
