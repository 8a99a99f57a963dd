import numpy as np
import pytest

from unifiedlib.bootstrap import (
    bootstrap_mean,
    bootstrap_rows,
    effective_clusters,
    paired_bootstrap,
    resampled_means,
)


def noise(n_seed: int, n_query: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 0.2, (n_seed, n_query))


def test_interval_of_one_seed_is_that_of_the_mean():
    values = noise(1, 2000)
    found = bootstrap_mean(values, 0, 4000)
    error = values.std() / np.sqrt(values.size)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_about_95_percent_of_intervals_hold_the_truth():
    intervals = bootstrap_rows(noise(400, 100), 0, 500)
    covered = np.mean([one.low <= 0.5 <= one.high for one in intervals])
    assert 0.91 <= covered <= 0.98


def test_resampled_means_equal_a_plain_resampling():
    values = noise(3, 11)
    means = resampled_means(values, 6, np.random.default_rng(7))
    drawn = np.random.default_rng(7).integers(0, 11, size=(6, 11), dtype=np.int64)
    assert np.allclose(means, values[:, drawn].mean(axis=2).T)


def test_chunks_of_resamples_cover_all_of_them(monkeypatch):
    values = noise(2, 50)
    whole = resampled_means(values, 20, np.random.default_rng(1))
    monkeypatch.setattr("unifiedlib.bootstrap.DRAWS_PER_CHUNK", 50 * 3)
    assert np.allclose(resampled_means(values, 20, np.random.default_rng(1)), whole)


def test_same_seed_gives_the_same_bits_and_another_does_not():
    values = noise(3, 200)
    assert bootstrap_mean(values, 5, 300) == bootstrap_mean(values, 5, 300)
    assert bootstrap_mean(values, 5, 300) != bootstrap_mean(values, 6, 300)


def test_seeds_that_differ_widen_the_interval():
    alike = np.repeat(noise(1, 500), 3, axis=0)
    apart = alike + np.array([[-0.1], [0.0], [0.1]])
    narrow, wide = (bootstrap_mean(values, 0, 1000) for values in (alike, apart))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_interval_of_seeds_alone_is_that_of_the_t_test():
    # No noise over queries: the mean of four seeds plus and minus 3.182 standard errors, from tables of Student's t.
    seeds = np.array([0.1, 0.4, 0.2, 0.9])
    found = bootstrap_mean(np.repeat(seeds[:, np.newaxis], 10, axis=1), 0, 2000)
    reach = 3.182 * seeds.std(ddof=1) / 2
    assert (0.4 - found.low, found.high - 0.4) == pytest.approx((reach, reach), rel=0.005)


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.5])
def test_about_95_percent_of_intervals_over_three_seeds_hold_the_truth(spread):
    # The queries' own standard error is .02: seeds that don't differ, that differ as much, and much more.
    generator = np.random.default_rng(0)
    trainings = generator.normal(0.5, spread, (300, 3, 1))
    queries = generator.normal(0, 0.2, (300, 1, 100))
    found = [bootstrap_mean(values, number, 500) for number, values in enumerate(trainings + queries)]
    covered = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert 0.91 <= covered <= 0.995


def test_pairing_removes_what_both_share():
    shared = noise(3, 300)
    found = paired_bootstrap(shared + 0.01, shared, 0, 300)
    assert (found.mean, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))


def test_one_untrained_row_is_paired_with_every_seed():
    trained, untrained = noise(3, 300), noise(1, 300, seed=1)
    found = paired_bootstrap(trained, untrained, 0, 300)
    assert found == paired_bootstrap(trained, np.repeat(untrained, 3, axis=0), 0, 300)


def test_swapping_the_sides_mirrors_the_interval():
    first, second = noise(1, 100), noise(1, 100, seed=1)
    forth, back = paired_bootstrap(first, second, 0, 999), paired_bootstrap(second, first, 0, 999)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))


def test_nan_is_refused_naming_the_row():
    values = noise(3, 5)
    values[1, 2] = np.nan
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        bootstrap_mean(values, 0, 100)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_empty_or_flat_values_are_refused(shape):
    with pytest.raises(ValueError, match="must be"):
        bootstrap_mean(np.zeros(shape), 0, 100)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="n_resamples is 0"):
        bootstrap_mean(noise(1, 3), 0, 0)


@pytest.mark.parametrize(("first", "second"), [((3, 5), (3, 6)), ((3, 5), (2, 5)), ((1, 5), (3, 5))])
def test_sides_that_cannot_be_paired_are_refused(first, second):
    with pytest.raises(ValueError, match="cannot pair"):
        paired_bootstrap(np.zeros(first), np.zeros(second), 0, 100)


def clustered(sizes: np.ndarray, seed: int, spread: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Queries in clusters of these sizes: the cluster's own part and each query's; the truth over all clusters is 0.5."""
    generator = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    own = generator.normal(0.5, spread, len(sizes))[clusters]
    return (own + generator.normal(0, 0.3, len(clusters)))[np.newaxis], clusters


def even(n_cluster: int) -> np.ndarray:
    """Sizes of 1 to 40."""
    return np.random.default_rng(n_cluster).integers(1, 41, n_cluster)


# A few people who sent most of the pictures, as in the garments of `photos`.
UNEVEN = np.array([617, 181, 96, 88, *[24] * 8, *[6] * 61])


def share_covered(sizes: np.ndarray, is_known: bool) -> float:
    worlds = [clustered(sizes, number) for number in range(400)]
    found = [
        bootstrap_mean(values, number, 500, clusters if is_known else None)
        for number, (values, clusters) in enumerate(worlds)
    ]
    return float(np.mean([one.low <= 0.5 <= one.high for one in found]))


@pytest.mark.parametrize("n_cluster", [20, 31, 73])
def test_about_95_percent_of_intervals_over_clusters_hold_the_truth(n_cluster):
    assert 0.92 <= share_covered(even(n_cluster), is_known=True) <= 0.985


def test_intervals_hold_the_truth_where_few_clusters_have_most_queries():
    assert share_covered(UNEVEN, is_known=True) >= 0.95


def test_clusters_of_unequal_size_count_as_fewer():
    assert effective_clusters(30, np.repeat(np.arange(10), 3)) == pytest.approx(10)
    assert effective_clusters(UNEVEN.sum(), np.repeat(np.arange(73), UNEVEN)) == pytest.approx(5.4, abs=0.5)
    assert effective_clusters(12, None) == 12


def test_clustered_queries_drawn_one_by_one_hold_the_truth_far_too_seldom():
    assert share_covered(even(31), is_known=False) < 0.7


def test_clusters_of_one_query_change_nothing():
    values = noise(3, 200)
    plain = bootstrap_mean(values, 0, 300)
    assert bootstrap_mean(values, 0, 300, np.arange(200) * 7) == plain
    assert paired_bootstrap(values, values[:1], 0, 300, np.arange(200)) == paired_bootstrap(
        values, values[:1], 0, 300
    )


def test_resampled_means_over_clusters_equal_a_plain_resampling():
    values, clusters = noise(2, 7), np.array([4, 4, 9, 0, 0, 0, 9])
    means = resampled_means(values, 50, np.random.default_rng(3), clusters)
    drawn = np.random.default_rng(3).integers(0, 3, size=(50, 3), dtype=np.int64)
    members = [np.flatnonzero(clusters == number) for number in (0, 4, 9)]
    plain = [values[:, np.concatenate([members[number] for number in row])].mean(axis=1) for row in drawn]
    assert np.allclose(means, plain)


def test_few_clusters_reach_as_far_as_students_t():
    values = noise(1, 21)
    found = bootstrap_mean(values, 0, 20000)
    reach = 2.086 * values.std(ddof=1) / np.sqrt(21)
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=0.04)


def test_clusters_of_another_length_are_refused():
    with pytest.raises(ValueError, match="5 queries need one number each"):
        bootstrap_mean(noise(1, 5), 0, 100, np.arange(4))
