"""Several networks on parts of the same rows: cross-validation, bagging, and what comes of them."""
