"""What the replay says in the end: an entry per comparison and measure, over the training seeds, as claims.json has them.

*ahead* where every model's 95 % interval lies above zero, *behind* where every one lies below, *not told* otherwise. A
simulation gives no verdict on the paper: these words are not those of the claims.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from unifiedlib.results import DECIMALS

Entry = dict[str, object]
AHEAD, BEHIND, NOT_TOLD = "ahead", "behind", "not told"
SEVERITY = {BEHIND: 0, NOT_TOLD: 1, AHEAD: 2}
RULE = "ahead, or behind, only where every model's 95 % interval over users lies on that side of zero"


def outcome_of(rows: pd.DataFrame) -> str:
    """The outcome over training seeds; rows: columns low and high."""
    if (rows["low"] > 0).all():
        return AHEAD
    return BEHIND if (rows["high"] < 0).all() else NOT_TOLD


def summarise(
    ab: pd.DataFrame, interleaving: pd.DataFrame, needed: pd.DataFrame, n_users: int
) -> list[Entry]:
    """The entries of summary.json, behind first; the tables of `study.Replay`. n_users: of each test."""
    interleaved = interleaving.rename(columns={"preference": "difference"})
    interleaved = interleaved.assign(method="interleaving", action="click", measure="preference")
    rows = pd.concat([ab.assign(method="A/B"), interleaved], ignore_index=True)
    keys = ["method", "comparison", "task", "action", "measure"]
    users = needed.set_index(keys)
    entries = [
        _entry(dict(zip(keys, names, strict=True)), group, n_users) | users_of(users.loc[names])
        for names, group in rows.groupby(keys, sort=False)
    ]
    return sorted(entries, key=lambda entry: SEVERITY[str(entry["outcome"])])


def users_of(row: pd.Series) -> Entry:
    """Users needed for the effect seen, with the range that its interval allows; None: no number, for it may be no effect."""
    told = np.isfinite(row["users_most"])
    return {
        "users_needed": int(row["users_needed"]) if told else None,
        "users_fewest": int(row["users_fewest"]) if np.isfinite(row["users_fewest"]) else None,
        "users_most": int(row["users_most"]) if told else None,
    }


def _entry(names: Mapping[str, object], rows: pd.DataFrame, n_users: int) -> Entry:
    outcome, first = outcome_of(rows), rows.iloc[0]
    effect, low, high = (
        round(float(value), DECIMALS)
        for value in (rows["difference"].mean(), rows["low"].min(), rows["high"].max())
    )
    lift = float(rows["lift"].mean())
    what = f"{names['action']} {names['measure']}"
    models = "1 model" if len(rows) == 1 else f"{len(rows)} models"
    how = (
        f"Simulated. {first['ours']} instead of {first['theirs']} on {names['task']}: {what} by {names['method']} "
        f"{effect:+.4f}, intervals {low:+.4f} to {high:+.4f} over {models}, {n_users:,} users each; {RULE}."
    )
    return {
        "id": "/".join(["replay", *(str(names[key]) for key in ("comparison", "task"))]) + f"/{what}",
        "simulated": True,
        **names,
        "ours": first["ours"],
        "theirs": first["theirs"],
        "outcome": outcome,
        "effect": effect,
        "low": low,
        "high": high,
        "lift": None if np.isnan(lift) else round(lift, DECIMALS),
        "n_models": len(rows),
        "n_ahead": int((rows["low"] > 0).sum()),
        "n_behind": int((rows["high"] < 0).sum()),
        "how": how,
    }
