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
    k, truth, rows = grades.shape[1], model.mean_attraction(), []
    for grade in range(len(truth)):
        shown = (grades == grade).sum(axis=0).astype(np.float64)
        clicks = ((grades == grade) & clicked).sum(axis=0).astype(np.float64)
        weighted = np.divide(clicks, model.examination, out=np.full(k, np.nan), where=model.examination > 0)
        known = model.examination > 0
        rows.append((grade, 0, shown.sum(), _share(clicks.sum(), shown.sum())))
        rows[-1] += (_share(weighted[known].sum(), shown[known].sum()), truth[grade])
        rows += [
            (grade, rank + 1, shown[rank], _share(clicks[rank], shown[rank]), _share(weighted[rank], shown[rank]), truth[grade])
            for rank in range(k)
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_shown": np.int64})


def _share(count: float, of: float) -> float:
    return float(count / of) if of else float("nan")
