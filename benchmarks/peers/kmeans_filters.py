"""Filter pruning by k-means: the filters of a layer are clustered, and of each cluster the one nearest its centre
stays.

One ratio for all layers, as there. Ridurre (G. Vecsei, 2019), after Li et al., "Filter level pruning based on similar
feature extraction for convolutional neural networks", IEICE 2018 (without the retraining, which needs labelled data).
Clustering by scikit-learn.
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.removable import Removable
from benchmarks.peers.remove_filters import Kept, pruned, remove_filters


def kmeans_filters(bench: Bench) -> Answer:
    return remove_filters(bench, central)


def central(kernel: np.ndarray, bias: np.ndarray, count: int, way: Removable) -> Kept:
    """One filter of each of `count` clusters."""
    from sklearn.cluster import KMeans

    filters = kernel.reshape(-1, kernel.shape[3]).T
    found = KMeans(n_clusters=count, n_init=4, random_state=0).fit(filters)
    away = np.linalg.norm(filters - found.cluster_centers_[found.labels_], axis=1)
    nearest = [int(np.argmin(np.where(found.labels_ == cluster, away, np.inf))) for cluster in range(count)]
    return pruned(len(filters), np.unique(nearest))
