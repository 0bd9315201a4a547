"""Of each figure of a report, whether more of it is better. The one table of its kind."""

HIGHER_IS_BETTER: dict[str, bool] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "roc_auc": True,
    "average_precision": True,
    "macro_f1": True,
    "quadratic_kappa": True,
    "r2": True,
    "explained_variance": True,
    "log_loss": False,
    "brier": False,
    "mean_absolute_rank_error": False,
    "hamming_loss": False,
    "rmse": False,
    "mae": False,
    "median_absolute_error": False,
    "mean_poisson_deviance": False,
    "reconstruction_error": False,
}


def better_by(metric: str, ours: float, theirs: float) -> float:
    """By how much `ours` is better than `theirs`, negative where it is worse. Raises `KeyError` for no known figure."""
    return ours - theirs if HIGHER_IS_BETTER[metric] else theirs - ours
