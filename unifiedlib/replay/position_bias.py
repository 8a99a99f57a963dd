"""Why raw clicks are no labels: what is shown further down is looked at less, and a logging system decides what stands where.

Weighting each click by 1 / P(examine its rank), known here, undoes it (Joachims, Swaminathan & Schnabel, WSDM 2017).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from unifiedlib.replay.ab import act
from unifiedlib.replay.clicks import ClickModel
from unifiedlib.replay.population import Visits
from unifiedlib.replay.systems import Lists

COLUMNS = ("grade", "rank", "n_shown", "raw", "weighted", "truth")


def bias_table(
    lists: Lists, visits: Visits, model: ClickModel, generator: np.random.Generator
) -> pd.DataFrame:
    """Attraction estimated from the clicks that one system logged, by true grade and rank: columns `COLUMNS`.

    raw: clicks per result shown; weighted: the same with each click weighted by 1 / P(examine); truth: the model's attraction,
    mean over users. rank 0 stands for all ranks together. A rank that nobody looks at has no weight: its row is NaN.
    """
    grades = lists.grades[visits.query]
    clicked = act(visits, grades, model, generator).clicked
    rows: list[tuple[float, ...]] = []
    for grade, truth in enumerate(model.mean_attraction()):
        shown, clicks = ((of & (grades == grade)).sum(axis=0).astype(np.float64) for of in (True, clicked))
        seen = model.examination > 0
        weighted = np.divide(clicks, model.examination, out=np.full(len(shown), np.nan), where=seen)
        whole = _share(clicks.sum(), shown.sum()), _share(weighted[seen].sum(), shown[seen].sum())
        rows.append((grade, 0, shown.sum(), *whole, truth))
        for rank, numbers in enumerate(zip(shown, clicks, weighted, strict=True), start=1):
            n_shown, n_clicks, n_weighted = numbers
            rows.append((grade, rank, n_shown, _share(n_clicks, n_shown), _share(n_weighted, n_shown), truth))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[:3], np.int64))


def _share(count: float, of: float) -> float:
    return float(count / of) if of else float("nan")
