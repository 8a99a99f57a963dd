import json

import numpy as np
import pandas as pd
import pytest

from unifiedlib.bootstrap import Interval
from unifiedlib.claims import comparison, judge_claims, verdict_of

SPREAD = np.linspace(-0.05, 0.05, 200)
HEADLINES = {"lens": "P@5", "shop_the_look": "P@1"}


def per_query(levels, seeds=(0, 1, 2), spread=SPREAD):
    """Results around a level for each (variant, representation, task); imagenet with its one seed."""
    frames = [
        pd.DataFrame(
            {
                "variant": variant,
                "seed": seed,
                "task": task,
                "gallery": "task",
                "representation": representation,
                "metric": HEADLINES[task],
                "item": np.arange(len(spread)),
                "cluster": np.arange(len(spread)),
                "value": level + spread,
            }
        )
        for (variant, representation, task), level in levels.items()
        for seed in (seeds[:1] if variant == "imagenet" else seeds)
    ]
    return pd.concat(frames, ignore_index=True)


def with_merged(table, lost=0.0):
    """The results, and those in the merged gallery: what the unified variant loses there, nothing else does."""
    lower = np.where(table["variant"] == "unified", lost, 0.0)
    return pd.concat([table, table.assign(gallery="merged", value=table["value"] - lower)], ignore_index=True)


def levels(unified=0.6, lens=0.6, shop=0.6, imagenet=0.3, codes=0.6):
    found = {("lens", "float", "lens"): lens, ("shop_the_look", "float", "shop_the_look"): shop}
    for task in HEADLINES:
        found["unified", "float", task] = unified
        found["unified", "binary", task] = codes
        found["imagenet", "float", task] = imagenet
    return found


def judged(table, **changes):
    settings = {"margin_c1": 0.01, "margin_c3": 0.02, "seed": 0, "n_resamples": 200} | changes
    return {entry["id"]: entry for entry in judge_claims(table, HEADLINES, **settings)}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.009, 0.01, "replicated"),
        (-0.01, 0.01, "inconclusive"),
        (-0.03, 0.02, "inconclusive"),
        (-0.03, -0.01, "not replicated"),
    ],
)
def test_verdict_follows_the_interval_and_the_threshold(low, high, verdict):
    assert verdict_of(Interval(0.0, low, high), -0.01) == verdict


@pytest.mark.parametrize(("n_query", "verdict"), [(5, "inconclusive"), (20, "replicated")])
def test_a_handful_of_queries_that_agree_tells_nothing(n_query, verdict):
    entry = judged(with_merged(per_query(levels(), spread=np.zeros(n_query))))["C1/lens"]
    assert entry["verdict"] == verdict
    assert ("Fewer than 20 queries" in entry["how"]) == (verdict == "inconclusive")


def test_alike_queries_count_once():
    # 200 queries of which 50 and 50 are alike, 4 clusters: they say no more than four queries would.
    alike = per_query(levels(), spread=np.repeat([0.0, 0.001, 0.002, 0.003], 50))
    alike["cluster"] = alike["item"] // 50
    entry = judged(with_merged(alike))["C2/lens"]
    assert entry["verdict"] == "inconclusive"
    assert "200 queries in 4 clusters, drawn whole, and 3 seeds" in entry["how"]
    assert entry["how"].endswith("Fewer than 20 clusters of queries cannot tell, whatever the interval.")


def test_clusters_of_unequal_size_are_told_and_widen_the_interval():
    table = per_query(levels())
    table["value"] += np.where(table["variant"] == "unified", np.sin(table["item"]) * 0.05, 0.0)
    even, uneven = table["item"] // 5, np.where(table["item"] < 100, 0, table["item"] // 3)
    found = {
        name: judged(with_merged(table.assign(cluster=clusters)))["C2/lens"]
        for name, clusters in (("even", even), ("uneven", uneven))
    }
    assert "200 queries in 40 clusters, drawn whole, and" in found["even"]["how"]
    assert "200 queries in 35 clusters (uneven: worth 4), drawn whole, and" in found["uneven"]["how"]
    widths = [found[name]["high"] - found[name]["low"] for name in ("even", "uneven")]
    assert widths[1] > widths[0]


def test_clusters_widen_the_interval():
    table = per_query(levels())
    steps = np.where(table["variant"] == "unified", np.sin(table["item"] // 8) * 0.1, 0.0)
    table["value"] += steps
    single, whole = (
        judged(with_merged(table.assign(cluster=table["item"] // size)))["C2/lens"] for size in (1, 8)
    )
    assert whole["effect"] == single["effect"]
    assert whole["high"] - whole["low"] > 2 * (single["high"] - single["low"])


def test_sides_of_other_seeds_or_other_queries_are_not_compared():
    table = with_merged(per_query(levels()))
    lens = table["variant"] == "lens"
    with pytest.raises(ValueError, match=r"'unified' and 'lens' were trained with other seeds .*3, 4, 5"):
        judged(table.assign(seed=table["seed"] + 3 * lens))
    with pytest.raises(ValueError, match=r"were trained with other seeds \(\[0, 1, 2\] and \[0\]\)"):
        judged(table[~lens | (table["seed"] == 0)])
    with pytest.raises(ValueError, match="'unified' and 'lens' answered other queries on lens"):
        judged(table.assign(item=table["item"] + 1000 * lens))


def test_no_difference_does_not_beat():
    assert verdict_of(Interval(0.0, 0.0, 0.0), 0.0) == "not replicated"


def test_every_claim_is_judged_overall_and_on_every_task():
    entries = judged(with_merged(per_query(levels())))
    assert list(entries) == [
        *("C1", "C1/lens", "C1/shop_the_look", "C2", "C2/lens", "C2/shop_the_look"),
        *("C3", "C3/lens", "C3/shop_the_look", "C9", "C9/lens", "C9/shop_the_look"),
    ]
    assert {entry["verdict"] for entry in entries.values()} == {"replicated"}
    assert list(entries["C1"]) == ["id", "claim", "verdict", "effect", "low", "high", "how"]


def test_one_lost_task_loses_the_whole_claim_with_its_effect():
    entries = judged(per_query(levels(lens=0.65, shop=0.5)))
    assert entries["C1/lens"]["verdict"] == "not replicated"
    assert entries["C1/shop_the_look"]["verdict"] == "replicated"
    assert entries["C1"]["verdict"] == "not replicated"
    assert entries["C1"]["effect"] == entries["C1/lens"]["effect"] == pytest.approx(-0.05)


def test_explanation_opens_with_the_loss():
    entries = judged(per_query(levels(lens=0.65, shop=0.5)))
    assert entries["C1"]["how"].startswith("The unified embedding loses on lens. ")
    assert entries["C1/lens"]["how"].startswith(
        "The unified embedding loses on lens: P@5 0.0500 lower than the specialist"
    )
    assert "loses" not in entries["C1/shop_the_look"]["how"]


def test_small_loss_within_the_margin_is_replicated_and_still_told():
    entry = judged(per_query(levels(lens=0.605)))["C1"]
    assert entry["verdict"] == "replicated"
    assert entry["how"].startswith("The unified embedding loses on lens. ")
    assert entry["effect"] == pytest.approx(-0.005)


def test_margins_decide_and_are_stated():
    table = per_query(levels(lens=0.605, codes=0.585))
    strict = judged(table, margin_c1=0.001, margin_c3=0.001)
    assert (strict["C1/lens"]["verdict"], strict["C3/lens"]["verdict"]) == ("not replicated",) * 2
    loose = judged(table)
    assert (loose["C1/lens"]["verdict"], loose["C3/lens"]["verdict"]) == ("replicated",) * 2
    assert "a margin of 0.020 counts as equally good" in loose["C3/lens"]["how"]


def test_wide_interval_is_inconclusive_and_so_is_the_claim():
    table = per_query(levels())
    noise = np.random.default_rng(0).normal(0, 0.3, len(table))
    noisy = table.assign(value=table["value"] + np.where(table["variant"] == "lens", noise, 0))
    entries = judged(noisy)
    assert entries["C1/lens"]["verdict"] == entries["C1"]["verdict"] == "inconclusive"
    assert "lens inconclusive, shop_the_look replicated" in entries["C1"]["how"]


def test_seeds_queries_and_metric_are_stated():
    assert "P@5" in (how := judged(per_query(levels()))["C1/lens"]["how"])
    assert "200 paired resamples of 200 queries and 3 seeds" in how
    one = judged(per_query(levels(), seeds=(0,)))["C1/lens"]["how"]
    assert "1 seed, so how much trainings differ is not covered" in one


def test_variant_that_was_not_evaluated_leaves_its_claim_untested():
    table = per_query(levels(imagenet=0.3))
    entries = judged(table[table["variant"] != "imagenet"])
    assert entries["C2"]["verdict"] == "inconclusive"
    assert entries["C2"]["effect"] is None
    assert "Not tested on lens: variant 'imagenet' was not evaluated" in entries["C2/lens"]["how"]
    assert entries["C1"]["verdict"] == "replicated"
    json.dumps(list(entries.values()), allow_nan=False)


def test_only_the_tasks_own_gallery_and_headline_metric_count():
    table = with_merged(per_query(levels()))
    other = table.assign(metric="MAP@R", value=0.0)
    assert judged(pd.concat([table, other], ignore_index=True)) == judged(table)
    lost = judged(with_merged(per_query(levels()), lost=0.3))
    assert {lost[claim]["verdict"] for claim in ("C1", "C2", "C3")} == {"replicated"}


def test_merged_gallery_is_judged_apart():
    lost = judged(with_merged(per_query(levels()), lost=0.05))
    assert (lost["C1"]["verdict"], lost["C9"]["verdict"]) == ("replicated", "not replicated")
    assert lost["C9/lens"]["effect"] == pytest.approx(-0.05)
    assert "loses on lens in the merged gallery: P@5 0.0500 lower than the specialist" in lost["C9"]["how"]


def test_merged_gallery_that_was_not_searched_leaves_its_claim_untested():
    entries = judged(per_query(levels()))
    assert (entries["C9"]["verdict"], entries["C9"]["effect"]) == ("inconclusive", None)


def test_order_of_rows_does_not_matter():
    table = per_query(levels(lens=0.605))
    assert judged(table.sample(frac=1, random_state=0)) == judged(table)


def test_unknown_claim_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="no claim 'C99'; the claims are C1, C2, C3, C9"):
        comparison("C99", "lens", 0.01, 0.02)
