"""How each rater answers, whatever the lists: the same again when sides are swapped, and whether one side is favoured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unifiedlib.study.judgements import OURS, OUTCOMES, THEIRS
from unifiedlib.study.log import LEFT, NEITHER, RIGHT, TIE
from unifiedlib.study.preference import DECIMALS, sign_test

KEYS = ["study", "training", "rater"]
CONSISTENCY_COLUMNS = (
    *(*KEYS, "simulated", "n_screen", "n_repeat", "same", "opposite"),
    *("n_left", "n_right", "left_share", "side_p", TIE, NEITHER),
)


def repeated_outcomes(judgements: pd.DataFrame) -> pd.DataFrame:
    """The pairs that a rater judged twice: columns `first` and `second`, places in `OUTCOMES`, one row each."""
    order = {name: place for place, name in enumerate(OUTCOMES)}
    coded = judgements.assign(code=judgements["outcome"].map(order))
    wide = coded.pivot_table(index=[*KEYS, "pair"], columns="repeat", values="code", observed=True)
    wide = wide.reindex(columns=[False, True]).dropna()
    return wide.set_axis(["first", "second"], axis=1).astype(np.int64)


def consistency_table(judgements: pd.DataFrame) -> pd.DataFrame:
    """A row per study and rater: columns `CONSISTENCY_COLUMNS`.

    same: share of the repeated pairs that got the same answer again, although sides were swapped; opposite: the share in
    which the other list was preferred. left_share: left among left and right; side_p: of a two-sided sign test against one
    half. tie, neither: their shares of all answers. NaN where there is nothing to take a share of.
    """
    twice = repeated_outcomes(judgements)
    rows = []
    for names, part in judgements.groupby(KEYS, sort=False, observed=True):
        own = twice[(twice.index.droplevel("pair") == names)]
        decided = own.isin([OUTCOMES.index(OURS), OUTCOMES.index(THEIRS)]).all(axis=1)
        opposite = decided & (own["first"] != own["second"])
        n_left, n_right = (int((part["answer"] == side).sum()) for side in (LEFT, RIGHT))
        shares = [round(float((part["answer"] == name).mean()), DECIMALS) for name in (TIE, NEITHER)]
        left_share = n_left / (n_left + n_right) if n_left + n_right else np.nan
        about = (*names, bool(part["simulated"].any()), len(part), len(own))
        again = ((own["first"] == own["second"]).mean(), opposite.mean()) if len(own) else (np.nan, np.nan)
        sides = (n_left, n_right, round(left_share, DECIMALS), round(sign_test(n_left, n_right), DECIMALS))
        rows.append((*about, *(round(float(value), DECIMALS) for value in again), *sides, *shares))
    return pd.DataFrame(rows, columns=list(CONSISTENCY_COLUMNS))
