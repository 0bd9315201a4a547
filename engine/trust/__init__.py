"""Whether to trust a model: what its probabilities are worth, where it errs, and what it is better than."""
