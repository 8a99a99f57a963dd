"""An A/B test: users are dealt to two arms, each served by one system, and what they do is counted per user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unifiedlib.replay.analysis import CRITICAL, Effect, compare, z_of
from unifiedlib.replay.arms import deal
from unifiedlib.replay.clicks import Actions, ClickModel
from unifiedlib.replay.measures import CLICK, VOLUME, Totals
from unifiedlib.replay.population import Index, Visits, draw_visits
from unifiedlib.replay.settings import ReplaySettings
from unifiedlib.replay.streams import salt, stream
from unifiedlib.replay.systems import Lists

Row = dict[str, object]
PER_USER, PER_QUERY = "users", "queries"
BOOTSTRAP, NORMAL = "bootstrap", "z-test"


@dataclass(frozen=True)
class Log:
    """What an A/B test recorded: the arm of each user, int64 [n_user], their totals, and the clicks of each query [n_query]."""

    arm: Index
    totals: Totals
    clicks: Index


def act(
    visits: Visits, grades: npt.NDArray[np.uint8], model: ClickModel, generator: np.random.Generator
) -> Actions:
    """What users do with the results that their queries show, grades uint8 [n_query x k]."""
    return model.act(grades, model.attraction_of(visits.effects)[visits.user], generator)


def run_test(
    ours: Lists,
    theirs: Lists,
    visits: Visits,
    model: ClickModel,
    salt_of_test: int,
    generator: np.random.Generator,
) -> Log:
    """Deal users to arms by a hash, ours is arm 0, and let everyone search. ours, theirs: lists of the same queries."""
    arm = deal(np.arange(visits.n_users), salt_of_test)
    is_ours = (arm == 0)[visits.user, np.newaxis]
    grades = np.where(is_ours, ours.grades[visits.query], theirs.grades[visits.query])
    actions = act(visits, grades, model, generator)
    totals = Totals.of(actions, visits.user, visits.n_users)
    return Log(arm, totals, actions.clicked.sum(axis=1))


def effects(log: Log, n_resamples: int, generator: np.random.Generator) -> Iterator[tuple[str, str, Effect]]:
    """Every measure of arm 0 against arm 1: action, measure, what was found."""
    ours, theirs = (log.totals.of_users(log.arm == number) for number in (0, 1))
    for action, measure, values in ours.each():
        yield action, measure, compare(values, theirs.values(action, measure), n_resamples, generator)


def z_per_query(log: Log, visits: Visits) -> float:
    """The z of clicks per query as if every query were a user of its own: what not to do, for the A/A check alone."""
    first, second = (log.clicks[log.arm[visits.user] == number] for number in (0, 1))
    variance = first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)
    return float(z_of(np.array([first.mean() - second.mean()]), np.array([variance]))[0])


def aa_check(lists: Lists, labels: Index, settings: ReplaySettings, name: str) -> list[Row]:
    """Tests of a system against itself: the share that come out significant, which should be near 5 %.

    labels: what each query looks for. Rows: action, measure, unit (users; queries where each counts as independent), by
    (bootstrap or z-test), n_tests, n_significant.
    """
    model = ClickModel.of(settings)
    found: dict[tuple[str, str, str, str], list[bool]] = {}
    for number in range(settings.n_null_replications):
        generator = stream(settings.seed, "aa", name, number)
        visits = draw_visits(settings.n_null_users, labels, settings, generator)
        log = run_test(lists, lists, visits, model, salt("aa", name, number), generator)
        for action, measure, effect in effects(log, settings.n_resamples, generator):
            outcomes = {BOOTSTRAP: effect.is_significant, NORMAL: abs(effect.z) > CRITICAL}
            for by, outcome in outcomes.items():
                found.setdefault((action, measure, PER_USER, by), []).append(outcome)
        wrong = abs(z_per_query(log, visits)) > CRITICAL
        found.setdefault((CLICK, VOLUME, PER_QUERY, NORMAL), []).append(wrong)
    return [
        dict(zip(("action", "measure", "unit", "by"), key, strict=True))
        | {"n_tests": len(significant), "n_significant": sum(significant)}
        for key, significant in found.items()
    ]
