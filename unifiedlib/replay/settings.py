"""What the replay assumes about users, and how much of it is simulated: the section `replay` of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from unifiedlib.decor.relevance import SAME_PRODUCT

N_GRADES = SAME_PRODUCT + 1
FEWEST_RESAMPLES = 100


def check_shares(name: str, values: Sequence[float], count: int | None = None) -> None:
    """Raise ValueError unless there are `count` values, all of them probabilities; `name` is what the message calls them."""
    if count is not None and len(values) != count:
        raise ValueError(f"{name} has {len(values)} values; it needs {count}")
    if wrong := [value for value in values if not 0 <= value <= 1]:
        raise ValueError(f"{name} holds {wrong[0]}; a probability lies between 0 and 1")


@dataclass(frozen=True)
class ReplaySettings:
    """Assumptions and sizes of the replay.

    tasks: those whose users are simulated; comparisons: {name: [system, the one it is compared with]}, see `systems.System`.
    k: results shown. examination_power: the result at rank r is looked at with probability 1 / r^power; examination: these
    probabilities themselves, [k], where they are given. attraction, save: by true grade, 0 to 3: probability of a click on a
    result that is looked at, and of a save (repin) of one that is clicked. user_effect: standard deviation over users of
    attraction, in log-odds.
    sessions_power: P(a user has at least n sessions) = n^-power, up to most_sessions; queries_per_session: their mean.
    n_users: of an A/B test or an interleaving; n_null_users, n_null_replications: of the A/A check; n_population: simulated users
    from whom the power analysis draws n_replications tests at each of user_counts; n_resamples: of the bootstrap.
    power: the share of tests that should find an effect. seed: of everything.
    """

    tasks: tuple[str, ...]
    comparisons: Mapping[str, Sequence[str]]
    k: int
    examination_power: float
    examination: tuple[float, ...]
    attraction: tuple[float, ...]
    save: tuple[float, ...]
    user_effect: float
    sessions_power: float
    most_sessions: int
    queries_per_session: float
    n_users: int
    n_null_users: int
    n_null_replications: int
    n_population: int
    user_counts: tuple[int, ...]
    n_replications: int
    n_resamples: int
    power: float
    seed: int

    def __post_init__(self) -> None:
        """Raise ValueError naming the first setting that breaks its rule."""
        check_shares("attraction", self.attraction, N_GRADES)
        check_shares("save", self.save, N_GRADES)
        if self.examination:
            check_shares("examination", self.examination, self.k)
        lowest: dict[str, float] = {"k": 1, "n_users": 4, "n_null_users": 4, "n_population": 4, "seed": 0}
        lowest |= {"n_null_replications": 1, "n_replications": 1, "n_resamples": FEWEST_RESAMPLES}
        lowest |= {"most_sessions": 1, "queries_per_session": 1, "user_effect": 0, "examination_power": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least:g}")
        if self.sessions_power <= 0:
            raise ValueError(f"sessions_power is {self.sessions_power}; it must be above 0")
        if not 0.05 < self.power < 1:
            raise ValueError(f"power is {self.power}; it must lie between 0.05 and 1")
        if not self.user_counts or min(self.user_counts) < 4:
            raise ValueError(f"user_counts are {list(self.user_counts)}; a test needs at least 4 users")
        for name, pair in self.comparisons.items():
            if len(pair) != 2:
                raise ValueError(f"comparison '{name}' names {len(pair)} systems; it compares two")


def replay_settings(values: Mapping[str, object]) -> ReplaySettings:
    """The settings among `values`, such as a notebook's parameters; lists become tuples. Raises KeyError for a missing one."""
    chosen = {field.name: values[field.name] for field in fields(ReplaySettings)}
    fixed = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    return ReplaySettings(**fixed)  # type: ignore[arg-type]
