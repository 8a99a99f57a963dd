import pandas as pd
import pytest

from unifiedlib.results import headlines, metric_means, result_table, table_markdown


@pytest.fixture
def scores():
    rows = [
        ("imagenet", 0, "lens", "task", 0.20, 0.15, 0.25),
        ("unified", 0, "lens", "task", 0.50, 0.45, 0.55),
        ("unified", 1, "lens", "task", 0.60, 0.55, 0.67),
        ("unified", 0, "lens", "merged", 0.40, 0.35, 0.45),
        ("unified", 0, "shop_the_look", "task", 0.80, 0.75, 0.85),
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "task", "gallery", "value", "low", "high"])
    table = table.assign(representation="float", dim=64, k=5, metric="P@5", n_query=10)
    others = table.assign(metric="P@1", k=1, value=0.9), table.assign(metric="MAP@R", k=0, value=0.1)
    return pd.concat([others[0], table, others[1]], ignore_index=True)


def test_headline_is_the_precision_with_the_largest_k(scores):
    one = scores[(scores["task"] == "lens") | (scores["metric"] == "P@1")]
    assert headlines(one) == {"lens": "P@5", "shop_the_look": "P@1"}


def test_table_averages_over_seeds_and_shows_their_spread(scores):
    table = result_table(scores).set_index(["variant", "task"])
    unified = table.loc[("unified", "lens")]
    assert unified[["value", "low", "high"]].tolist() == pytest.approx([0.55, 0.50, 0.61])
    assert unified[["seed_low", "seed_high", "n_seed"]].tolist() == pytest.approx([0.5, 0.6, 2])
    assert len(table) == 3


def test_table_of_the_merged_gallery(scores):
    assert result_table(scores, "merged")["value"].tolist() == [0.4]


def test_gallery_without_scores_is_refused_with_the_choices(scores):
    with pytest.raises(ValueError, match="no scores for gallery 'all'; the scores hold task, merged"):
        result_table(scores, "all")


def test_markdown_has_a_line_per_variant_and_leaves_gaps_empty(scores):
    assert table_markdown(result_table(scores)).splitlines() == [
        "| variant | representation | lens P@5 | shop_the_look P@5 |",
        "|---|---|---|---|",
        "| imagenet | float | 0.200 (0.150 to 0.250) |  |",
        "| unified | float | 0.550 (0.500 to 0.610) | 0.800 (0.750 to 0.850) |",
    ]


def test_means_are_nested_by_variant_task_representation_and_metric(scores):
    found = metric_means(scores)
    assert found["unified"]["lens"]["float"] == pytest.approx({"P@1": 0.9, "P@5": 0.55, "MAP@R": 0.1})
    assert set(found) == {"imagenet", "unified"}
