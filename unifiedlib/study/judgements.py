"""Answers made a tidy table, unblinded by the key: one row per rater and screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from unifiedlib.study.agreement import MISSING, Table
from unifiedlib.study.document import Key, Study
from unifiedlib.study.log import LEFT, NEITHER, RIGHT, TIE, Answer, RaterLog
from unifiedlib.study.presentation import screens

OURS, THEIRS = "ours", "theirs"
OUTCOMES = (OURS, THEIRS, TIE, NEITHER)
COLUMNS = (
    *("study", "training", "simulated", "rater", "task", "pair", "query", "place", "repeat"),
    *("ours_side", "answer", "outcome", "seconds"),
)


def judgement_rows(
    study: Study,
    key: Key,
    rater: str,
    answers: Sequence[Answer],
    *,
    name: str,
    simulated: bool,
    training: int = 0,
) -> pd.DataFrame:
    """What one rater said, columns `COLUMNS`.

    name: what the study is called; training: the seed of the systems' trainings. outcome: `ours` or `theirs` for a preference,
    else `tie` or `neither`; ours_side: where our list stood.
    """
    shown = screens(study, rater)
    rows = []
    for one in answers:
        screen, pair = shown[one.place], study.pairs[one.pair]
        side = LEFT if key.ours_left[one.pair] != screen.mirrored else RIGHT
        outcome = one.answer if one.answer in (TIE, NEITHER) else OURS if one.answer == side else THEIRS
        where = (name, training, simulated, rater, pair.task, one.pair, pair.query, one.place, screen.repeat)
        rows.append((*where, side, one.answer, outcome, one.seconds))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seconds": "float64"})


def judgement_table(study: Study, key: Key, logs: Sequence[RaterLog], name: str) -> pd.DataFrame:
    """What all raters of a study said, columns `COLUMNS`. Raises ValueError where nobody has answered yet."""
    tables = [
        judgement_rows(
            study,
            key,
            str(log.header["rater"]),
            log.answers,
            name=name,
            simulated=bool(log.header["simulated"]),
        )
        for log in logs
        if log.answers
    ]
    if not tables:
        raise ValueError("there are no answers yet: let somebody judge the study first")
    return pd.concat(tables, ignore_index=True)


def by_task(judgements: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Each study and task with its judgements, in the order of the studies and of their pairs."""
    order = judgements.assign(number=pd.factorize(judgements["study"])[0])
    ordered = order.sort_values(["number", "pair"], kind="stable").drop(columns="number")
    for (study, task), part in ordered.groupby(["study", "task"], sort=False, observed=True):
        yield str(study), str(task), part


def first_showings(judgements: pd.DataFrame) -> pd.DataFrame:
    """Without what raters said about a pair when they saw it again."""
    return judgements[~judgements["repeat"].astype(bool)]


def agreement_table(judgements: pd.DataFrame) -> Table:
    """What each rater said about each pair of a study, [n_rater x n_pair], places in `OUTCOMES`, MISSING where nothing."""
    rows = first_showings(judgements)
    codes = rows.assign(code=rows["outcome"].map({name: place for place, name in enumerate(OUTCOMES)}))
    wide = codes.pivot_table(
        index="rater", columns=["study", "training", "pair"], values="code", observed=True
    )
    return np.asarray(wide.fillna(MISSING), np.int64)
