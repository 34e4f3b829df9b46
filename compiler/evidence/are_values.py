"""Labels that are quantities, not classes: only they tell a regression from a classifier without a softmax."""

from __future__ import annotations

import numpy as np


def are_values(y: np.ndarray) -> bool:
    """Whether labels (n, …) are finite numbers that can't be class ids or their one-hot code: fractions, or several
    for an example."""
    if y.dtype.kind not in "biuf" or y.ndim == 0 or not np.all(np.isfinite(y)):
        return False
    each = y.reshape(len(y), -1)
    if each.shape[1] > 1:
        return not (np.all((each == 0) | (each == 1)) and np.all(np.count_nonzero(each, axis=1) == 1))
    return bool(np.any(each != np.round(each)))
