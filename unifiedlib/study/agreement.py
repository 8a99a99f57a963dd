"""How far raters agree, beyond chance: percent agreement, Cohen's kappa for two, Krippendorff's alpha for any number.

All of nominal categories. A table holds what each rater said about each unit, [n_rater x n_unit], as numbers from 0 on, and
MISSING where a rater said nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]

MISSING = -1
FEWEST = 2


def _counts(table: Table) -> Counts:
    """How often each category was said about each unit that at least two raters judged, [n_unit x n_category]."""
    if table.ndim != 2 or len(table) < FEWEST:
        raise ValueError(f"the table has shape {list(table.shape)}; agreement needs two raters or more")
    n_category = int(table.max(initial=0)) + 1
    counts = np.stack([(table == number).sum(axis=0) for number in range(n_category)], axis=1)
    paired: Counts = counts[counts.sum(axis=1) >= FEWEST].astype(np.float64)
    if len(paired) == 0:
        raise ValueError("no unit was judged by two raters: agreement needs units that they share")
    return np.asarray(paired)


def percent_agreement(table: Table) -> float:
    """Share of pairs of raters that say the same about a unit, mean over units, 0 to 1.

    Raises ValueError where no unit was judged by two.

    >>> percent_agreement(np.array([[0, 0, 1], [0, 1, 1]]))
    0.6666666666666666
    """
    counts = _counts(table)
    size = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum(axis=1) / (size * (size - 1))
    return float(same.mean())


def cohens_kappa(table: Table) -> float:
    """Cohen's kappa of two raters over the units that both judged, -1 to 1; NaN where both always say one and the same.

    (p_o - p_e) / (1 - p_e), with p_e from each rater's own shares (Cohen, Educ. Psychol. Meas. 1960).
    """
    if table.ndim != 2 or len(table) != 2:
        raise ValueError(f"the table has shape {list(table.shape)}; Cohen's kappa is of two raters")
    both = table[:, (table != MISSING).all(axis=0)]
    if both.shape[1] == 0:
        raise ValueError("no unit was judged by both raters: agreement needs units that they share")
    n_category = int(both.max()) + 1
    observed = float((both[0] == both[1]).mean())
    shares = [np.bincount(row, minlength=n_category) / both.shape[1] for row in both]
    expected = float(shares[0] @ shares[1])
    return float("nan") if expected == 1 else (observed - expected) / (1 - expected)


def krippendorffs_alpha(table: Table) -> float:
    """Krippendorff's alpha for nominal data, at most 1; NaN where only one category was ever said.

    1 - D_o / D_e over the coincidences of values within units; answers may be missing, and units with one are left out
    (Krippendorff, "Computing Krippendorff's alpha-reliability", 2011).
    """
    counts = _counts(table)
    size = counts.sum(axis=1)
    coincidences = (counts.T @ (counts / (size - 1)[:, np.newaxis])) - np.diag(
        (counts.T / (size - 1)).sum(axis=1)
    )
    total = coincidences.sum()
    margins = coincidences.sum(axis=1)
    expected = (total**2 - (margins**2).sum()) / (total - 1)
    observed = total - np.trace(coincidences)
    return float("nan") if expected == 0 else float(1 - observed / expected)
