"""Features that tell labels apart by their counts alone weigh more before heads are fitted.

One label against the rest: the ratio of log counts (NB-SVM: Wang and Manning, 2012). Many labels at once: how far the
labels of the rows that have a feature are from those of all rows (Kullback-Leibler), in one scale for all heads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

__all__ = ["contrast_of_label", "contrast_of_labels", "seen_features"]

# Rows of doubt: as many with the labels of all rows are put beside those that a feature was seen in.
_DOUBT = 5.0

_F64 = npt.NDArray[np.float64]


def seen_features(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """1.0 where a row has a feature."""
    seen = matrix.copy()
    seen.data = (seen.data > 0).astype(np.float64)
    return seen


def contrast_of_label(seen: sp.csr_matrix, mine: npt.NDArray[np.bool_], strength: float, plain: slice) -> _F64:
    """Scale of each feature, float64 ``(features,)``, around 1 for ``strength`` in 0..1; rows ``mine`` have the label.

    ``plain`` are columns that are no counts: they keep 1.
    """
    inside, outside = (np.asarray(seen[rows].sum(0)).ravel() + 1.0 for rows in (mine, ~mine))
    ratio = np.abs(np.log(inside / inside.sum()) - np.log(outside / outside.sum()))
    ratio[plain] = 0.0
    return _scale(ratio, (ratio > 0.0) & (inside + outside > 2.0), strength)


def contrast_of_labels(seen: sp.csr_matrix, target: npt.NDArray[np.intp], strength: float, plain: slice) -> _F64:
    """As :func:`contrast_of_label`, in one for all labels; ``target``: the label of each row, 0 to K - 1."""
    rows = len(target)
    is_of = sp.csr_matrix((np.ones(rows), (target, np.arange(rows))), shape=(int(target.max()) + 1, rows))
    counts = sp.coo_matrix(is_of @ seen)
    counts.eliminate_zeros()
    total = np.asarray(seen.sum(0)).ravel()
    prior = np.bincount(target) / rows
    usual = prior[counts.row]
    share = (counts.data + _DOUBT * usual) / (total[counts.col] + _DOUBT)
    told: _F64 = np.bincount(counts.col, share * np.log(share / usual), len(total)).astype(np.float64)
    # Labels that never have the feature: their share is what doubt gives them.
    absent = 1.0 - np.bincount(counts.col, usual, len(total))
    doubt = _DOUBT / (total + _DOUBT)
    told += absent * doubt * np.log(doubt)
    told[plain] = 0.0
    return _scale(told, (told > 0.0) & (total > 1.0), strength)


def _scale(told: _F64, weighed: npt.NDArray[np.bool_], strength: float) -> _F64:
    scale = np.ones(len(told))
    if weighed.any():
        scale[weighed] = 1.0 - strength + strength * told[weighed] / told[weighed].mean()
    return scale
