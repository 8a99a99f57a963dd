from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import faiss
import numpy as np
import pytest
from index_world import sorted_ids

from unifiedlib.binarization import hamming
from unifiedlib.index import hamming as kernels
from unifiedlib.index.hamming import Kernel, nearest_codes

KERNELS: tuple[Kernel, ...] = ("count", "compiled")


def codes(n_items: int, n_bytes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_items, n_bytes), np.uint8)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    monkeypatch.setattr(kernels, "BYTES_PER_THREAD", 1)
    yield
    faiss.omp_set_num_threads(before)


def check_against_a_sort(
    queries: np.ndarray, gallery: np.ndarray, k: int, kernel: Kernel, rows: np.ndarray | None = None
) -> None:
    every = np.arange(len(gallery)) if rows is None else rows
    expected = hamming(queries, gallery[every])
    distances, found = nearest_codes(queries, gallery, k, rows, kernel)
    assert (distances.dtype, found.dtype) == (np.int32, np.int64)
    assert np.array_equal(found, sorted_ids(expected, every, k))
    assert np.array_equal(distances, np.sort(expected, axis=1)[:, :k])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n_query", "n_bytes"), [(1, 1), (1, 256), (3, 3), (40, 8), (300, 2)])
def test_either_kernel_orders_by_distance_then_row_as_a_sort_does(
    kernel: Kernel, n_query: int, n_bytes: int
) -> None:
    check_against_a_sort(codes(n_query, n_bytes, 0), codes(700, n_bytes, 1), 9, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_many_items_tied_at_the_cut_keep_the_first_rows_across_blocks(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "DISTANCES_AT_ONCE", 64)
    monkeypatch.setattr(kernels, "COPIED_BYTES", 64)
    gallery = codes(2, 1, 0)[np.random.default_rng(1).integers(0, 2, 200)]
    check_against_a_sort(codes(5, 1, 2), gallery, 7, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_only_the_given_rows_are_found(kernel: Kernel) -> None:
    rows = np.sort(np.random.default_rng(3).choice(500, 60, replace=False))
    check_against_a_sort(codes(4, 2, 0), codes(500, 2, 1), 10, kernel, rows)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("n_query", [1, 3, 50])
@pytest.mark.parametrize("kernel", KERNELS)
def test_threads_that_share_queries_or_gallery_change_nothing(kernel: Kernel, n_query: int) -> None:
    check_against_a_sort(codes(n_query, 2, 0), codes(501, 2, 1), 20, kernel)
    check_against_a_sort(codes(n_query, 2, 0), codes(3, 2, 1), 3, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_codes_that_start_between_words_are_searched(kernel: Kernel) -> None:
    apart = np.zeros(1 + 30 * 16, np.uint8)[1:].reshape(30, 16)
    apart[:] = codes(30, 16, 1)
    check_against_a_sort(apart[:2], apart, 5, kernel)


def test_codes_mapped_read_only_from_a_file_are_searched(tmp_path: Path) -> None:
    np.save(tmp_path / "codes.npy", codes(50, 16, 0))
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    for kernel in KERNELS:
        check_against_a_sort(codes(2, 16, 1), mapped, 5, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n_query", "n_gallery"), [(256, 20_000), (1, 80_000)])
def test_search_takes_a_few_mib_beside_the_codes(kernel: Kernel, n_query: int, n_gallery: int) -> None:
    queries, gallery = codes(n_query, 256, 0), codes(n_gallery, 256, 1)
    rows = np.arange(n_gallery)
    nearest_codes(queries[:1], gallery[:2], 1, kernel=kernel)
    for searched in (None, rows):
        tracemalloc.start()
        nearest_codes(queries, gallery, 10, searched, kernel)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 * 2**20, "distances of all pairs or picked rows would take 20 MiB and more"


def test_the_faster_kernel_is_used_once_a_process_has_much_to_compare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[str] = []
    for name, counter_of in kernels.COUNTERS.items():
        monkeypatch.setitem(
            cast(dict[str, Any], kernels.COUNTERS),
            name,
            lambda queries, name=name, counter_of=counter_of: used.append(name) or counter_of(queries),
        )
    monkeypatch.setattr(kernels, "_compared", kernels._Compared())
    monkeypatch.setattr(kernels, "_faster_here", lambda n_bytes: "compiled")
    monkeypatch.setattr(kernels, "TIMED_FROM", 2 * 20 * 8 + 1)
    for _ in range(3):
        nearest_codes(codes(1, 8, 0), codes(20, 8, 1), 2)
    assert used == ["count", "count", "compiled"]


def test_the_faster_kernel_is_one_of_the_two() -> None:
    assert kernels._faster_here(4) in KERNELS


def test_no_queries_find_nothing() -> None:
    distances, found = nearest_codes(codes(0, 8, 0), codes(20, 8, 1), 3)
    assert distances.shape == found.shape == (0, 3)
