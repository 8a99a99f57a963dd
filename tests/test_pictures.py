from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unifiedlib.pictures import PictureError, crop_box, read_picture, square_pixels


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy())


def test_truncated_jpeg_is_named_and_refused(tmp_path: Path) -> None:
    gradient(400, 300).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"a\.jpg: corrupt or truncated"):
        read_picture(tmp_path / "a.jpg")


def test_text_in_a_jpg_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not a picture")
    with pytest.raises(PictureError, match=r"a\.jpg: not a picture in a known format"):
        read_picture(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match=r"b\.jpg: no such picture"):
        read_picture(tmp_path / "b.jpg")


def test_absurd_size_is_refused_before_decoding(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(PictureError, match=r"bomb\.png.*(over the limit|exceeds limit)"):
        read_picture(tmp_path / "bomb.png")
    gradient().save(tmp_path / "a.png")
    with pytest.raises(PictureError, match=r"40 x 30 pixels is over the limit of 1,000"):
        read_picture(tmp_path / "a.png", max_pixels=1000)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient().save(tmp_path / "a.jpg", exif=exif)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.size == (30, 40)
    column = np.asarray(picture)[:, 15, 0].astype(int)
    assert column[0] < 20
    assert column[-1] > 235


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb_of_the_same_brightness(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((20, 20), 200 * 257, np.uint16))
    else:
        picture = Image.new("RGB", (20, 20), (255, 255, 255) if mode == "1" else (200, 200, 200)).convert(
            mode
        )
    path = tmp_path / ("a.tif" if mode in ("CMYK", "LA") else "a.png")
    picture.save(path)
    pixels = np.asarray(read_picture(path))
    assert pixels.shape == (20, 20, 3)
    assert abs(pixels.mean() - (255 if mode == "1" else 200)) < 3


def test_transparency_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (np.asarray(read_picture(tmp_path / "a.png")) == 255).all()


def test_box_is_cut_out_and_never_empty() -> None:
    picture = gradient(100, 50)
    assert crop_box(picture, (0.1, 0.2, 0.6, 0.8)).size == (50, 30)
    assert crop_box(picture, (0.5, 0.5, 0.501, 0.501)).size == (1, 1)
    assert crop_box(picture, None) is picture


def test_square_keeps_the_shape_and_fills_with_the_border_colour() -> None:
    picture = Image.new("RGB", (20, 40), (10, 20, 30))
    pixels = square_pixels(picture, 16)
    assert pixels.shape == (16, 16, 3)
    assert (pixels == (10, 20, 30)).all()
    framed = np.full((40, 20, 3), 255, np.uint8)
    framed[15:25, 5:15] = 0
    dark = (square_pixels(Image.fromarray(framed), 40) < 128).all(axis=2)
    assert dark.sum() == 100


def test_draft_decoding_stays_close_to_full_decoding(tmp_path: Path) -> None:
    gradient(1600, 1200).save(tmp_path / "a.jpg", quality=95)
    small = square_pixels(read_picture(tmp_path / "a.jpg", draft=64), 64).astype(int)
    full = square_pixels(read_picture(tmp_path / "a.jpg"), 64).astype(int)
    assert read_picture(tmp_path / "a.jpg", draft=64).size[0] < 1600
    assert np.abs(small - full).mean() < 2
