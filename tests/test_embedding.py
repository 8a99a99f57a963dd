from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_world import SETTINGS, write_small

from unifiedlib.augmentation import AugmentationSettings
from unifiedlib.embedding import embed, write_embeddings
from unifiedlib.features import cached_features, pooled_features
from unifiedlib.model import to_images
from unifiedlib.training import Training

VIEWS = AugmentationSettings(crop=32, min_area=0.5, colour=0.1)


def test_written_rows_are_the_test_items_in_order(tmp_path: Path) -> None:
    small = write_small(tmp_path / "small")
    model = Training(small, "imagenet", 0, SETTINGS, tmp_path).model({}).eval()
    written = write_embeddings(tmp_path / "e", model, small, batch_size=7)
    items = np.load(tmp_path / "e" / "items.npy")
    assert (items == small.test_items()).all()
    alone = model(to_images(small.pixels[items[5:6]])).detach().numpy()
    assert written[5] == pytest.approx(alone[0], abs=1e-5)
    codes = np.load(tmp_path / "e" / "codes.npy")
    assert (np.unpackbits(codes, axis=1, bitorder="little") == (written > 0)).all()


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    small = write_small(tmp_path / "small")
    model = Training(small, "imagenet", 0, SETTINGS, tmp_path).model({}).eval()
    model.settings = replace(model.settings, size=64)
    with pytest.raises(ValueError, match="the model embeds pictures of 64 pixels, the collection holds 32"):
        write_embeddings(tmp_path / "e", model, small, batch_size=8)
    assert not (tmp_path / "e").exists()


def test_batch_size_does_not_change_embeddings_beyond_rounding(tmp_path: Path) -> None:
    small = write_small(tmp_path / "small")
    model = Training(small, "imagenet", 0, SETTINGS, tmp_path).model({}).eval()
    assert embed(model, small.pixels[:9], 4) == pytest.approx(embed(model, small.pixels[:9], 9), abs=1e-5)


def test_features_are_computed_once_and_belong_to_their_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = write_small(tmp_path / "small")
    model = Training(small, "imagenet", 0, SETTINGS, tmp_path).model({}).eval()
    items = np.array([3, 5, 8])
    first = cached_features(model, small, items, tmp_path / "cache", 1, VIEWS)
    assert (first[0] == pooled_features(model, small.pixels, items, 128)).all()
    monkeypatch.setattr("unifiedlib.features.pooled_features", None)
    assert (cached_features(model, small, items, tmp_path / "cache", 1, VIEWS) == first).all()
    with pytest.raises(TypeError):
        cached_features(model, small, items[:2], tmp_path / "cache", 1, VIEWS)


def test_first_view_of_the_features_is_the_whole_picture_and_the_others_are_random(tmp_path: Path) -> None:
    small = write_small(tmp_path / "small")
    model = Training(small, "imagenet", 0, SETTINGS, tmp_path).model({}).eval()
    items = np.array([3, 5, 8])
    three = cached_features(model, small, items, tmp_path / "a", 3, VIEWS)
    assert three.shape == (3, 3, model.width)
    assert (three[0] == pooled_features(model, small.pixels, items, 128)).all()
    assert not (three[1] == three[2]).all(axis=1).any()
    assert (three == cached_features(model, small, items, tmp_path / "b", 3, VIEWS)).all()
