"""The whole replay: every comparison by A/B and by interleaving, the A/A check, the power analysis, and position bias.

Every row and every entry that it writes carries `simulated: true`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.files import write_json, write_table
from unifiedlib.relevance import task_relevance
from unifiedlib.replay.ab import PER_USER, Row, aa_check, act, effects, run_test
from unifiedlib.replay.clicks import ClickModel
from unifiedlib.replay.interleaving import interleave, preference
from unifiedlib.replay.interleaving_check import aa_interleaving
from unifiedlib.replay.measures import Totals
from unifiedlib.replay.population import Index, Visits, draw_visits
from unifiedlib.replay.position_bias import bias_table
from unifiedlib.replay.power import (
    Method,
    ab_method,
    closed_form_power,
    detectable_effect,
    interleaving_method,
    needed_range,
    simulated_power,
    users_needed,
)
from unifiedlib.replay.settings import ReplaySettings
from unifiedlib.replay.streams import salt, stream
from unifiedlib.replay.summary import Entry, summarise
from unifiedlib.replay.systems import Contest, Lists, System, contests, served_lists
from unifiedlib.results import DECIMALS
from unifiedlib.variants import UNIFIED

AB, INTERLEAVING = "A/B", "interleaving"
SIDES = ("ours", "theirs")
LOGGING = System(UNIFIED, "float")


@dataclass(frozen=True)
class Replay:
    """What the replay found, tidy tables, each with a column `simulated`.

    ab: a row per comparison, task, training seed and measure; interleaving: one per comparison, task and seed; aa: tests of a
    system against itself; power: share of tests that find something, by number of users; needed: users for the wanted power;
    bias: attraction as estimated from clicks. summary: the entries of summary.json.
    """

    ab: pd.DataFrame
    interleaving: pd.DataFrame
    aa: pd.DataFrame
    power: pd.DataFrame
    needed: pd.DataFrame
    bias: pd.DataFrame
    summary: list[Entry]


@dataclass(frozen=True)
class World:
    """All that a replay is run on: comparisons, the lists of their systems, and what each task's queries look for."""

    settings: ReplaySettings
    model: ClickModel
    contests: list[Contest]
    lists: Mapping[tuple[str, System, int], Lists]
    labels: Mapping[str, Index]
    seeds: Sequence[int]

    def pair(self, it: Contest, seed: int) -> tuple[Lists, Lists]:
        """The lists that a comparison is between."""
        return self.lists[it.task, it.ours, seed], self.lists[it.task, it.theirs, seed]

    def users(self, task: str, n_users: int, purpose: str) -> Visits:
        """A population of a task, the same for all its comparisons."""
        generator = stream(self.settings.seed, "users", purpose, task)
        return draw_visits(n_users, self.labels[task], self.settings, generator)


def open_world(collection: Collection, folder: Path, seeds: Sequence[int], settings: ReplaySettings) -> World:
    """Search with every query once, in each system that takes part. folder: as the binarize stage writes it.

    Raises ValueError for a collection without graded truth, an unknown task or system, or a k beyond a gallery;
    FileNotFoundError where embeddings are missing.
    """
    compared = contests(collection, settings)
    wanted = [(it.task, system) for it in compared for system in (it.ours, it.theirs)]
    wanted += [(task, LOGGING) for task in settings.tasks]
    lists = served_lists(collection, folder, wanted, seeds, settings)
    labels = {task: task_relevance(collection, task, task).query_labels for task in settings.tasks}
    return World(settings, ClickModel.of(settings), compared, lists, labels, seeds)


def _named(it: Contest, seed: int) -> Row:
    sides = {"ours": str(it.ours), "theirs": str(it.theirs)}
    return {"simulated": True, "task": it.task, "comparison": it.name} | sides | {"seed": seed}


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows).round(DECIMALS)


def ab_rows(world: World) -> Iterator[Row]:
    """A/B tests of every comparison, with each training seed."""
    for task in world.settings.tasks:
        visits = world.users(task, world.settings.n_users, "ab")
        for it in (one for one in world.contests if one.task == task):
            for seed in world.seeds:
                names = ("ab", it.name, it.task, seed)
                generator = stream(world.settings.seed, *names)
                log = run_test(*world.pair(it, seed), visits, world.model, salt(*names), generator)
                for action, measure, effect in effects(log, world.settings.n_resamples, generator):
                    values = {"value_ours": effect.ours, "value_theirs": effect.theirs}
                    numbers = {name: value for name, value in vars(effect).items() if name not in SIDES}
                    yield _named(it, seed) | {"action": action, "measure": measure} | values | numbers


def interleaving_rows(world: World) -> Iterator[Row]:
    """Interleavings of every comparison, with each training seed."""
    for task in world.settings.tasks:
        visits = world.users(task, world.settings.n_users, "interleaving")
        for it in (one for one in world.contests if one.task == task):
            for seed in world.seeds:
                generator = stream(world.settings.seed, "interleaving", it.name, it.task, seed)
                found = interleave(*world.pair(it, seed), visits, world.model, generator)
                yield _named(it, seed) | vars(preference(found, world.settings.n_resamples, generator))


def aa_rows(world: World) -> Iterator[Row]:
    """The A/A check of every task, with the unified embedding on both sides, by A/B and by interleaving."""
    for task in world.settings.tasks:
        same, settings = world.lists[task, LOGGING, world.seeds[0]], world.settings
        named = {"simulated": True, "task": task, "system": str(LOGGING), "n_users": settings.n_null_users}
        for row in aa_check(same, world.labels[task], settings, task):
            yield named | {"method": AB} | row
        row = aa_interleaving(same, world.labels[task], settings, task)
        yield (
            named
            | {"method": INTERLEAVING, "action": "click", "measure": "preference", "unit": PER_USER}
            | row
        )


def methods(world: World, it: Contest, visits: Visits) -> Iterator[tuple[Row, Method]]:
    """Every way to make a comparison, on a population whose outcome under both systems is known; the first training seed."""
    pair, names = world.pair(it, world.seeds[0]), (it.name, it.task)
    totals = [
        Totals.of(
            act(visits, lists.grades[visits.query], world.model, generator), visits.user, visits.n_users
        )
        for lists, generator in zip(
            pair, (stream(world.settings.seed, "population", *names, side) for side in (0, 1)), strict=True
        )
    ]
    for (action, measure, ours), (*_, theirs) in zip(totals[0].each(), totals[1].each(), strict=True):
        yield {"method": AB, "action": action, "measure": measure}, ab_method(ours, theirs)
    generator = stream(world.settings.seed, "population", *names, INTERLEAVING)
    found = interleave(*pair, visits, world.model, generator)
    yield {"method": INTERLEAVING, "action": "click", "measure": "preference"}, interleaving_method(found)


def power_rows(world: World) -> Iterator[tuple[list[Row], Row]]:
    """Of every comparison and method: its power at each number of users, and the users that it needs."""
    settings = world.settings
    for task in settings.tasks:
        visits = world.users(task, settings.n_population, "population")
        for it in (one for one in world.contests if one.task == task):
            for how, method in methods(world, it, visits):
                named = _named(it, world.seeds[0]) | how
                generator = stream(settings.seed, "power", it.name, task, *map(str, how.values()))
                yield _powers(named, method, settings, generator), _needed(named, method, settings)


def _powers(
    named: Row, method: Method, settings: ReplaySettings, generator: np.random.Generator
) -> list[Row]:
    curve = closed_form_power(method.effect, method.error, settings.user_counts)
    return [
        named
        | {
            "n_users": count,
            "power": simulated_power(method, count, settings.n_replications, generator),
            "power_closed_form": float(expected),
            "n_tests": settings.n_replications,
        }
        for count, expected in zip(settings.user_counts, curve, strict=True)
    ]


def _needed(named: Row, method: Method, settings: ReplaySettings) -> Row:
    fewest, most = needed_range(method, settings.power)
    return named | {
        "effect": method.effect,
        "low": method.low,
        "high": method.high,
        "power_wanted": settings.power,
        "users_needed": users_needed(method.effect, method.error, settings.power),
        "users_fewest": fewest,
        "users_most": most,
        "n_users": settings.n_users,
        "detectable_effect": detectable_effect(method.error, settings.n_users, settings.power),
    }


def bias_rows(world: World) -> pd.DataFrame:
    """What the clicks that the unified embedding's lists collect say about attraction, by task."""
    tables = []
    for task in world.settings.tasks:
        visits = world.users(task, world.settings.n_users, "logging")
        generator = stream(world.settings.seed, "logging", task)
        table = bias_table(world.lists[task, LOGGING, world.seeds[0]], visits, world.model, generator)
        tables.append(table.assign(task=task, system=str(LOGGING), simulated=True))
    return pd.concat(tables, ignore_index=True).round(DECIMALS)


def run_replay(world: World) -> Replay:
    """Everything, in the order of the page."""
    ab, interleaved = _table(list(ab_rows(world))), _table(list(interleaving_rows(world)))
    powers, needed = zip(*power_rows(world), strict=True)
    power, users = _table([row for rows in powers for row in rows]), _table(needed)
    summary = summarise(ab, interleaved, users, world.settings.n_users)
    return Replay(ab, interleaved, _table(list(aa_rows(world))), power, users, bias_rows(world), summary)


def write_replay(folder: Path, found: Replay) -> None:
    """Write a table each as .csv, and summary.json last."""
    for name in ("ab", "interleaving", "aa", "power", "needed", "bias"):
        write_table(folder / f"{name}.csv", getattr(found, name))
    write_json(folder / "summary.json", found.summary)
