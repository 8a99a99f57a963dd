"""The A/A check of interleaving: a system against itself must be preferred to itself in no more than 5 % of tests."""

from __future__ import annotations

import numpy as np

from unifiedlib.replay.ab import NORMAL, Row
from unifiedlib.replay.clicks import ClickModel
from unifiedlib.replay.interleaving import interleave, is_significant, preference
from unifiedlib.replay.population import Index, draw_visits
from unifiedlib.replay.settings import FEWEST_RESAMPLES, ReplaySettings
from unifiedlib.replay.streams import stream
from unifiedlib.replay.systems import Lists


def aa_interleaving(lists: Lists, labels: Index, settings: ReplaySettings, name: str) -> Row:
    """Interleave a system with itself, again and again. Returns by, n_tests and n_significant; labels as in `ab.aa_check`."""
    model, found = ClickModel.of(settings), []
    for number in range(settings.n_null_replications):
        generator = stream(settings.seed, "aa interleaving", name, number)
        visits = draw_visits(settings.n_null_users, labels, settings, generator)
        counted = interleave(lists, lists, visits, model, generator)
        found.append(preference(counted, FEWEST_RESAMPLES, generator).z)
    significant = int(is_significant(np.array(found)).sum())
    return {"by": NORMAL, "n_tests": len(found), "n_significant": significant}
