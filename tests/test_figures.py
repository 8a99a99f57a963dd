from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from search_world import three_task_collection, write_embeddings
from small_world import write_small

from unifiedlib import figures, palette, retrieval, story, tour
from unifiedlib.contract import Collection
from unifiedlib.evaluation import EvaluationSettings, evaluate_collection
from unifiedlib.figures.tables import claim_table, plain_table, score_table, signed

mpl.use("Agg")
VARIANTS = ["imagenet", "flashlight", "lens", "shop_the_look", "unified"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Three tasks, five variants of growing quality, evaluated."""
    folder, collection = tmp_path_factory.mktemp("world"), three_task_collection()
    for place, variant in enumerate(VARIANTS):
        write_embeddings(folder / variant / "seed-0", collection, 0.3 + 0.3 * place, seed=place)
    evaluate_collection(
        collection, folder, folder / "results", VARIANTS, [0], EvaluationSettings(n_resamples=100)
    )
    embeddings = retrieval.load_variants(collection, folder, VARIANTS, [0])
    return SimpleNamespace(
        data=collection, embeddings=embeddings, results=story.load_results(folder / "results")
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("small") / "data")


def history() -> pd.DataFrame:
    rows = {"phase": [1, 1, 2], "step": [20, 40, 15], "learning_rate": [0.1, 0.0, 0.0]}
    return pd.DataFrame(
        rows
        | {"loss lens/style": [3.0, 2.0, 1.0], "accuracy lens/style": [np.nan, 0.5, 0.6]}
        | {"gradient lens/style": [0.5, 0.4, 0.2], "gradient lens/product": [0.25, 0.2, 0.2]}
        | {"gradient distilled shop_the_look": [0.25, 0.4, 0.6]}
    )


def borders(figure: Figure) -> list[tuple[float, ...]]:
    """Edge colours of the pictures' borders."""
    patches = figure.axes[0].patches
    return [patch.get_edgecolor()[:3] for patch in patches if isinstance(patch, Rectangle)]


def luminance(colour: str) -> float:
    return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))


def test_variants_differ_in_marker_and_the_unified_one_is_darkest() -> None:
    looks = palette.VARIANTS
    assert len({look.marker for look in looks.values()}) == len(looks)
    assert min(looks, key=lambda name: luminance(looks[name].colour)) == "unified"


def test_unknown_names_get_looks_of_their_own() -> None:
    found = palette.looks(["lens", "mine", "yours"])
    assert found["lens"] == palette.VARIANTS["lens"]
    assert found["mine"] != found["yours"]


def test_figure_is_drawn_once_by_a_notebook() -> None:
    figure = figures.new_figure(1.0, "a title")
    assert mpl.pyplot.get_fignums() == []
    assert figure.get_suptitle() == "a title"


def test_saved_figure_has_its_data_beside_it_and_is_the_same_twice(tmp_path: Path) -> None:
    data = pd.DataFrame({"value": [1, 2]})
    written = []
    for name in ("first.png", "second.png"):
        figure = figures.new_figure(1.0, "same")
        figure.add_subplot().plot([1, 2])
        figures.save_figure(figure, tmp_path / "made" / name, data)
        written.append((tmp_path / "made" / name).read_bytes())
    assert written[0] == written[1]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "made" / "first.csv"), data)


def test_figure_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.bmp'.*use \.png or \.svg"):
        figures.save_figure(figures.new_figure(1.0, ""), tmp_path / "figure.bmp")


def test_contact_sheet_has_a_row_per_role_and_domain_and_one_label_per_column(small: Collection) -> None:
    figure = figures.contact_sheet(small, "shop_the_look", count=4)
    texts = [text.get_text() for text in figure.axes[0].texts]
    rows = [text for text in texts if ", " in text]
    assert [row.split(",")[0] for row in rows[:3]] == ["train\npin", "train\ncamera", "train\ncatalog"]
    assert {row.split("\n")[0] for row in rows} == {"train", "query", "gallery"}
    assert texts.count("product 0") == 2  # below the training part and below the test part


def test_contact_sheet_never_shows_an_item_twice_in_a_part(small: Collection) -> None:
    shown = [
        image.get_array().tobytes() for image in figures.contact_sheet(small, "flashlight").axes[0].images
    ]
    assert len(set(shown)) == len(shown)


def test_label_table_counts_training_items_only(small: Collection) -> None:
    table = figures.label_table(small)
    assert table.groupby(["task", "label_set"])["n"].sum().to_dict() == {
        ("flashlight", "category"): 24,
        ("shop_the_look", "category"): 24,
        ("shop_the_look", "product"): 24,
    }
    assert len(figures.label_frequency(small).axes) == 3


def test_steps_are_counted_through_both_phases() -> None:
    long = figures.long_history({0: history()})
    assert sorted(long["step"].unique()) == [20, 40, 55]
    assert len(long[long["name"] == "accuracy lens/style"]) == 2


def test_loss_curves_draw_the_mean_and_each_seed() -> None:
    one, two = figures.loss_curves({0: history()}), figures.loss_curves({0: history(), 1: history()})
    assert len(two.axes[0].lines) == len(one.axes[0].lines) + 2


def test_untrained_variant_says_so_instead_of_a_curve() -> None:
    empty = {0: pd.DataFrame({"phase": [], "step": [], "learning_rate": []})}
    assert (
        "Nothing was trained"
        in figures.throughput_curve({0: empty[0][["phase", "step"]]}).texts[0].get_text()
    )
    assert "No accuracy was recorded" in figures.phase_gains(empty).texts[0].get_text()
    for draw in (figures.loss_curves, figures.accuracy_curves, figures.rate_curve, figures.gradient_shares):
        figure = draw(empty)
        assert figure.axes == []
        assert "Nothing is trained" in figure.texts[0].get_text()


def test_gradient_shares_are_summed_by_task_and_averaged_over_seeds() -> None:
    other = history().assign(
        **{"gradient lens/style": [0.3, 0.2, 0.0], "gradient distilled shop_the_look": [0.45, 0.6, 0.8]}
    )
    one = history()
    table = figures.gradient_table({0: one, 1: other})
    assert table["lens"].tolist() == pytest.approx([0.65, 0.5, 0.3])
    assert table["shop_the_look"].tolist() == pytest.approx([0.35, 0.5, 0.7])
    assert len(figures.gradient_shares({0: one}).axes[0].collections) >= 2


def test_gradients_count_with_the_weights_of_their_losses() -> None:
    weighted = history().assign(**{"weight lens/style": [1.0, 2.0, 0.5], "weight lens/product": 1.0})
    table = figures.gradient_table({0: weighted})
    pulls = [0.5 + 0.25, 2 * 0.4 + 0.2, 0.5 * 0.2 + 0.2]
    expected = [pull / (pull + other) for pull, other in zip(pulls, [0.25, 0.4, 0.6], strict=True)]
    assert table["lens"].tolist() == pytest.approx(expected)


def test_gain_of_the_second_phase_is_the_difference_of_the_two_last_accuracies() -> None:
    table = figures.gain_table({0: history()})
    assert table["label_set"].tolist() == ["lens/style"]
    assert table["gain"].tolist() == pytest.approx([0.1])
    assert len(figures.phase_gains({0: history()}).axes[0].lines) == 2


def test_throughput_has_a_curve_per_seed() -> None:
    table = pd.DataFrame({"phase": [1, 2], "step": [20, 20], "images_per_second": [900.0, 30.0]})
    axes = figures.throughput_curve({0: table, 1: table}).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["seed 0", "seed 1"]


def test_accuracy_figure_without_held_out_images_says_so() -> None:
    figure = figures.accuracy_curves({0: history().drop(columns="accuracy lens/style")})
    assert "No validation accuracy" in figure.texts[0].get_text()


def test_size_table_is_32_times_smaller(world: SimpleNamespace) -> None:
    table = figures.size_table(world.embeddings)
    assert table[["float_bytes", "code_bytes", "times_smaller"]].drop_duplicates().to_numpy().tolist() == [
        [256, 8, 32]
    ]


def test_balance_table_is_the_share_of_items_with_the_bit_set(world: SimpleNamespace) -> None:
    table = figures.balance_table({"unified": world.embeddings["unified"]})
    expected = np.sort((world.embeddings["unified"].floats > 0).mean(axis=0))
    np.testing.assert_allclose(table["share"], expected)


def test_projection_is_the_same_twice_and_keeps_to_its_limit(world: SimpleNamespace) -> None:
    first, second = (
        figures.projection_table(world.data, world.embeddings["unified"], most=60) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert len(first) == 60


@pytest.mark.parametrize("name", ["value_distribution", "bit_balance_curves", "cosine_against_hamming"])
def test_code_figures_have_a_place_for_each_variant(
    world: SimpleNamespace, name: str, tmp_path: Path
) -> None:
    figure = getattr(figures, name)(world.embeddings)
    figures.save_figure(figure, tmp_path / "figure.png")
    assert len(figure.axes) in (1, len(VARIANTS))


@pytest.mark.parametrize("name", ["score_heatmap", "float_against_binary", "merged_against_own"])
def test_score_figures_have_a_panel_per_task(world: SimpleNamespace, name: str, tmp_path: Path) -> None:
    figure = getattr(figures, name)(world.results.scores)
    figures.save_figure(figure, tmp_path / "figure.png")
    assert [axes.get_title().split()[0] for axes in figure.axes] == list(world.data.tasks)


def test_score_table_marks_the_best_of_each_column(world: SimpleNamespace) -> None:
    html = score_table(world.results.scores).to_html()
    assert html == score_table(world.results.scores).to_html()
    assert "font-weight: 700" in html


def test_claim_table_colours_each_verdict_and_shows_untested_claims_without_numbers() -> None:
    base = {"claim": "It holds.", "how": "so"}
    claims = [
        base | {"id": "C1", "verdict": "not replicated", "effect": -0.02, "low": -0.03, "high": -0.01},
        base | {"id": "C2", "verdict": "inconclusive", "effect": None, "low": None, "high": None},
    ]
    html = claim_table(claims).to_html()
    assert palette.VERDICTS["not replicated"] in html
    assert "−0.030 to −0.010" in html
    assert "None" not in html


def test_difference_that_rounds_to_zero_tells_its_side() -> None:
    assert [signed(value) for value in (-0.0004, 0.0004, 0.0)] == ["−0.000", "+0.000", "0.000"]


def test_plain_table_formats_numbers_and_keeps_texts() -> None:
    html = plain_table(pd.DataFrame({"n": [12345], "share": [0.5], "name": ["a"]})).to_html()
    assert all(text in html for text in ("12,345", "0.500", ">a<"))


def test_plain_table_shows_markup_of_users_as_text() -> None:
    table = pd.DataFrame({"label": ["<img src=x onerror=alert(1)>", "a<b"], "n": [1, 2]})
    html = plain_table(table).to_html()
    assert "<img" not in html
    assert ">a&lt;b<" in html
    assert "<b>x</b>" in plain_table(pd.DataFrame({"cell": ["<b>x</b>"]}), markup=True).to_html()


def ranking(n_query: int) -> pd.DataFrame:
    return pd.DataFrame({"item": np.arange(n_query) + 100, "score": np.linspace(1, 0, n_query)})


def test_chosen_queries_go_from_the_best_to_the_worst_at_equal_steps() -> None:
    chosen = retrieval.choose_queries(ranking(9), 3)
    assert chosen["rank"].tolist() == [1, 5, 9]
    assert chosen["item"].tolist() == [100, 104, 108]


def test_extremes_are_the_best_the_median_and_the_worst() -> None:
    chosen = retrieval.extreme_queries(ranking(11), 1)
    assert list(zip(chosen["place"], chosen["rank"], strict=True)) == [
        ("best", 1),
        ("median", 6),
        ("worst", 11),
    ]
    assert retrieval.extreme_queries(ranking(20), 2)["rank"].tolist() == [1, 2, 10, 11, 19, 20]


def test_extremes_of_few_queries_hold_each_once() -> None:
    chosen = retrieval.extreme_queries(ranking(4), 2)
    assert list(zip(chosen["place"], chosen["rank"], strict=True)) == [
        *(("best", 1), ("best", 2), ("median", 3), ("worst", 4)),
    ]
    assert retrieval.extreme_queries(ranking(1), 3)["place"].tolist() == ["best"]


def test_examples_carry_the_score_and_the_place_that_they_were_chosen_by(world: SimpleNamespace) -> None:
    ranked = retrieval.ranked_queries(world.results.per_query, "lens", 5, "unified")
    chosen = retrieval.examples(
        world.data, world.embeddings["unified"], "lens", retrieval.extreme_queries(ranked, 1), 5
    )
    assert [one.place for one in chosen] == ["best", "median", "worst"]
    assert [chosen[0].score, chosen[-1].score] == [ranked["score"].max(), ranked["score"].min()]


def test_found_items_are_right_exactly_where_they_carry_the_query_label(world: SimpleNamespace) -> None:
    query = int(world.data.queries("lens")[0])
    labels = world.data.eval_labels("lens")
    for found in retrieval.find(world.data, world.embeddings["unified"], "lens", query, 10):
        assert found.right is not None
        assert found.right.tolist() == (labels.loc[found.items] == labels[query]).tolist()
        distances = found.distances if found.representation == "binary" else -found.distances
        assert (np.diff(distances) >= 0).all()


def test_own_group_is_not_found_where_the_task_leaves_it_out(world: SimpleNamespace) -> None:
    group = world.data.items["group"]
    for query in world.data.queries("flashlight")[:8]:
        found = retrieval.find(world.data, world.embeddings["unified"], "flashlight", int(query), 30)
        assert all(group[query] not in set(group[one.items]) for one in found)


def test_item_that_is_no_query_is_named(world: SimpleNamespace) -> None:
    item = int(world.data.gallery("lens")[0])
    with pytest.raises(ValueError, match=f"item {item} is no query of task 'lens'"):
        retrieval.find(world.data, world.embeddings["unified"], "lens", item, 3)


def test_k_beyond_the_gallery_is_named(world: SimpleNamespace) -> None:
    query = int(world.data.queries("lens")[0])
    with pytest.raises(ValueError, match=r"k is 41; query item .* can find 1 to 40"):
        retrieval.find(world.data, world.embeddings["unified"], "lens", query, 41)


def test_grid_draws_query_blue_right_green_wrong_red(world: SimpleNamespace) -> None:
    stored = world.embeddings["unified"]
    ranked = retrieval.ranked_queries(world.results.per_query, "lens", 5, "unified")
    chosen = retrieval.examples(world.data, stored, "lens", retrieval.choose_queries(ranked, 2), 6)
    found = borders(figures.example_grid(world.data, chosen, "lens"))
    right = sum(int(one.right.sum()) for example in chosen for one in example.found if one.right is not None)
    assert found.count(to_rgb(palette.QUERY)) == 2
    assert found.count(to_rgb(palette.RIGHT)) == right
    assert found.count(to_rgb(palette.WRONG)) == 2 * 2 * 6 - right


def test_results_of_a_picture_of_ones_own_are_not_judged(world: SimpleNamespace) -> None:
    stored = world.embeddings["unified"]
    found = tour.find_picture(world.data, stored, stored.floats[:1], "merged", 4)
    grid = figures.result_grid(world.data, world.data.pixels[0], "mine", found, "title")
    assert borders(grid).count(to_rgb(palette.SOFT)) == 8
    assert tour.agreement(found)["right"].isna().all()


def test_box_outside_the_picture_is_named(small: Collection) -> None:
    with pytest.raises(ValueError, match=r"box is \[0.5, 0, 0.2, 1\]"):
        tour.query_pixels(small, 0, "any.jpg", [0.5, 0, 0.2, 1])


def claim(number: str, low: float, high: float) -> story.Claim:
    entry: story.Claim = {"id": number, "claim": "It holds.", "verdict": "inconclusive", "how": "so"}
    return entry | {"effect": (low + high) / 2, "low": low, "high": high}


def test_report_opens_with_the_task_on_which_unified_loses() -> None:
    claims = [claim("C1", -0.1, 0.1), claim("C1/flashlight", 0.01, 0.03), claim("C1/lens", -0.04, -0.02)]
    text = story.opening(claims, {"flashlight": "P@20", "lens": "P@1"})
    assert text.startswith(
        "**The unified embedding loses to the specialist on 1 of 2 tasks**: lens −0.030 P@1"
    )
    assert "It is ahead of the specialist on 1 of 2 tasks: flashlight +0.020 P@20" in text


def test_difference_within_its_interval_is_not_called_a_loss() -> None:
    text = story.opening([claim("C1/lens", -0.04, 0.02)], {"lens": "P@1"})
    assert "cannot be told from the specialist on 1 of 1 tasks" in text
    assert "loses" not in text


def test_summary_names_every_claim(world: SimpleNamespace) -> None:
    text = story.summary(world.results)
    assert all(f"**{name} " in text for name in ("C1", "C2", "C3"))
    assert "8 bytes where the floats take 256" in text


def test_missing_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scores\.parquet is missing: run the evaluate stage"):
        story.load_results(tmp_path)


def test_repetition_of_bits_is_written_as_effective_bits_of_all(world: SimpleNamespace) -> None:
    statistics = figures.statistics_table(world.embeddings)
    assert list(statistics.columns) == ["variant", "n_bits", "even", "correlation", "effective"]
    left, right = figures.bit_repetition(statistics, 210).axes
    shown = [text.get_text().strip() for text in right.texts]
    assert shown == [f"{row.effective:.0f} of {row.n_bits}" for row in statistics.itertuples()]
    chance = [line for line in left.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(chance[0].get_xdata(), np.sqrt(2 / (np.pi * 210)))


def test_examples_show_no_more_than_the_query_with_the_fewest_candidates_may_find(
    world: SimpleNamespace,
) -> None:
    groups = world.data.items["group"].where(world.data.items.index % 2 == 0, "one group")
    tasks = {name: replace(task, leave_out_group=True) for name, task in world.data.tasks.items()}
    grouped = replace(world.data, items=world.data.items.assign(group=groups), tasks=tasks)
    stored, per_query = world.embeddings["unified"], world.results.per_query
    grids = figures.example_grids(grouped, stored, per_query, "unified", 1, k=10_000)
    assert len(grids) == len(tasks)
