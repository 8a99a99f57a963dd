from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from unifiedlib import pictures
from unifiedlib.framing import Box, crop_pixels, square_pixels
from unifiedlib.pictures import PictureError, read_picture, read_pixels


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
    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(PictureError, match=r"bomb\.png.*over the limit of 100,000,000"):
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
    pixels = np.asarray(picture)
    assert np.array_equal(crop_pixels(pixels, (0.1, 0.2, 0.6, 0.8)), picture.crop((10, 10, 60, 40)))
    assert np.array_equal(crop_pixels(pixels, (0.25, 0.0, 1.0, 1.0)), picture.crop((25, 0, 100, 50)))
    assert np.array_equal(crop_pixels(pixels, (0.5, 0.5, 0.501, 0.501)), picture.crop((50, 25, 51, 26)))
    assert crop_pixels(pixels, None) is pixels


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


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_16_bit_png(values: np.ndarray, transparent: int | None = None) -> bytes:
    """A PNG of 16-bit grey values [h x w], one of which may be declared transparent."""
    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    clear = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + clear + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def photo(width: int = 400, height: int = 300, seed: int = 0) -> np.ndarray:
    """Coarse and fine structure, uint8 [height x width x 3]."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 255, (7, 9, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    return (coarse + rng.normal(0, 8, coarse.shape)).clip(0, 255).astype(np.uint8)


# What a stored picture's first row and first column show of the upright one, by EXIF orientation.
STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright.swapaxes(0, 1)[::-1],
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],
}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_is_turned_upright_scaled_or_not(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    upright = np.zeros((240, 400, 3), np.uint8)
    upright[:120, :200], upright[120:, 200:], upright[120:, :200] = (250, 0, 0), (0, 0, 250), (0, 250, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=exif)
    for draft, width in ((None, 400), (40, 100)):
        picture = read_picture(path, draft=draft)
        assert picture.size[0] == (width if suffix == ".jpg" else 400)
        assert picture.size[0] > picture.size[1]
        found = np.asarray(picture.resize((2, 2), Image.Resampling.BOX)).astype(int)
        assert np.abs(found - [[(250, 0, 0), (0, 0, 0)], [(0, 250, 0), (0, 0, 250)]]).max() < 12


@pytest.mark.parametrize("draft", [None, 20])
def test_inverted_inks_of_an_adobe_jpeg_become_the_colours_they_print(
    tmp_path: Path, draft: int | None
) -> None:
    inks = {(0, 0, 0, 0): (255, 255, 255), (255, 0, 0, 0): (0, 255, 255), (0, 0, 0, 255): (0, 0, 0)}
    for ink, colour in inks.items():
        Image.new("CMYK", (160, 120), ink).save(tmp_path / "a.jpg", quality=95)
        assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
        pixels = np.asarray(read_picture(tmp_path / "a.jpg", draft=draft)).astype(int)
        assert np.abs(pixels - colour).max() < 4


def test_sixteen_bit_pictures_keep_their_brightness(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    expected = np.rint(ramp / 257).astype(int)
    (tmp_path / "grey.png").write_bytes(grey_16_bit_png(np.broadcast_to(ramp, (8, 64))))
    cv2.imwrite(str(tmp_path / "colour.png"), np.broadcast_to(ramp[:, None], (8, 64, 3)))
    cv2.imwrite(str(tmp_path / "grey.tif"), np.broadcast_to(ramp, (8, 64)))
    for name in ("grey.png", "colour.png", "grey.tif"):
        pixels = np.asarray(read_picture(tmp_path / name)).astype(int)
        assert pixels.shape == (8, 64, 3)
        assert np.abs(pixels - expected[:, None]).max() <= 1


def test_every_sixteen_bit_grey_is_rounded_to_the_nearest_of_eight_bits(tmp_path: Path) -> None:
    values = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(values.astype(np.float64) / 257).astype(np.uint8)
    (tmp_path / "grey.png").write_bytes(grey_16_bit_png(values))
    cv2.imwrite(str(tmp_path / "grey.tif"), values)
    for name in ("grey.png", "grey.tif"):
        assert (read_pixels(tmp_path / name) == expected[:, :, None]).all()


def test_sixteen_bit_greys_take_few_bytes_a_pixel(tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(grey_16_bit_png(np.zeros((1000, 1000), np.uint16), transparent=1))
    tracemalloc.start()
    read_pixels(tmp_path / "grey.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 1000 * 1000


def test_transparency_becomes_white_in_every_mode_that_has_it(tmp_path: Path) -> None:
    half = np.zeros((4, 4, 2), np.uint8)
    half[:2, :, 1] = 255
    Image.fromarray(half, "LA").save(tmp_path / "la.png")
    palette = Image.fromarray((half[:, :, 1] // 255).astype(np.uint8), "P")
    palette.putpalette([200, 0, 0, 0, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    palette.save(tmp_path / "p.gif", transparency=0)
    colour = Image.new("RGB", (4, 4), (9, 9, 9))
    colour.paste((0, 0, 0), (0, 0, 4, 2))
    colour.save(tmp_path / "rgb.png", transparency=(9, 9, 9))
    values = np.full((4, 4), 30_000, np.uint16)
    values[:2] = 0
    (tmp_path / "grey16.png").write_bytes(grey_16_bit_png(values, transparent=30_000))
    for name in ("la.png", "p.png", "p.gif", "rgb.png", "grey16.png"):
        pixels = np.asarray(read_picture(tmp_path / name))
        assert (pixels[:2] == 0).all(), name
        assert (pixels[2:] == 255).all(), name


def test_picture_with_values_of_unknown_range_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match=r"a\.tif: its 32-bit values have no known range; save it with 8"):
        read_picture(tmp_path / "a.tif")


def reference(picture: Image.Image, size: int) -> np.ndarray:
    """Pillow's antialiased bicubic resize of a whole picture, its shape kept."""
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).astype(int)


@pytest.mark.parametrize("size", [(400, 300), (113, 700), (90, 40), (112, 112), (2000, 3)])
def test_resize_is_pillows_antialiased_bicubic_to_one_level(size: tuple[int, int]) -> None:
    picture = Image.fromarray(photo(*size))
    expected = reference(picture, 112)
    height, width = expected.shape[:2]
    top, left = (112 - height) // 2, (112 - width) // 2
    difference = np.abs(square_pixels(picture, 112)[top : top + height, left : left + width] - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.25


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (1600, 1200), (1250, 417), (3001, 2001)])
def test_scaled_decoding_is_as_good_as_full_decoding_and_an_antialiased_resize(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.fromarray(photo(*size)).save(tmp_path / "a.jpg", quality=90)
    small = read_picture(tmp_path / "a.jpg", draft=112)
    assert max(small.size) < max(size)
    assert np.abs(reference(small, 112) - reference(read_picture(tmp_path / "a.jpg"), 112)).mean() < 1


def test_small_box_of_a_large_jpeg_keeps_its_detail(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(1600, 800)).save(tmp_path / "a.jpg", quality=95, exif=exif)
    for box in ((0.1, 0.1, 0.3, 0.15), (0.5, 0.0, 0.6, 1.0)):
        small = read_pixels(tmp_path / "a.jpg", draft=64, boxes=[None, box])
        ours = square_pixels(crop_pixels(small, box), 64).astype(int)
        full = square_pixels(crop_pixels(read_pixels(tmp_path / "a.jpg"), box), 64).astype(int)
        assert np.abs(ours - full).mean() < 3
    assert read_picture(tmp_path / "a.jpg", draft=64, boxes=[(0.5, 0.0, 0.6, 1.0)]).size == (100, 200)


def test_first_picture_of_a_phones_double_jpeg_is_decoded_scaled(tmp_path: Path) -> None:
    first, second = (Image.fromarray(photo(800, 600, seed)) for seed in (0, 1))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    small = read_picture(tmp_path / "a.jpg", draft=60)
    assert small.size == (100, 75)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(first.resize((100, 75)))).mean() < 6


@pytest.mark.parametrize("draft", [None, 40])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_truncated_jpeg_whose_end_was_mended_is_refused(tmp_path: Path, mode: str, draft: int | None) -> None:
    Image.fromarray(photo()).convert(mode).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) * 3 // 4] + b"\xff\xd9")
    with pytest.raises(PictureError, match=r"corrupt or truncated \(its data end before the picture does\)"):
        read_picture(tmp_path / "a.jpg", draft=draft)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_grey_jpeg_is_not_taken_for_a_truncated_one(tmp_path: Path, options: dict[str, bool]) -> None:
    pixels = photo()
    pixels[150:] = 128
    for mode in ("RGB", "L"):
        Image.fromarray(pixels).convert(mode).save(tmp_path / "a.jpg", **options)
        for draft in (None, 40):
            last = np.asarray(read_picture(tmp_path / "a.jpg", draft=draft))[-1, -1]
            assert (last == 128).all()


@pytest.mark.parametrize("draft", [8, 24, 60])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_whole_jpeg_that_ends_grey_is_read_at_every_scale(tmp_path: Path, mode: str, draft: int) -> None:
    pixels = photo(403, 301)
    pixels[200:] = 128
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.jpg")
    assert (read_pixels(tmp_path / "a.jpg", draft=draft)[-1, -1] == 128).all()


def plain_jpegs() -> dict[str, bytes]:
    """JPEGs such as OpenCV decodes, by what is peculiar about them."""
    upright = Image.Exif()
    upright[ExifTags.Base.Orientation], upright[ExifTags.Base.Make] = 1, "Acme"
    kinds: dict[str, dict[str, object]] = {
        "plain": {},
        "every colour at full size": {"subsampling": 0},
        "colours not turned into YCbCr": {"keep_rgb": True},
        "restarts": {"restart_marker_blocks": 5},
        "tables of its own": {"optimize": True},
        "upright by EXIF": {"exif": upright},
        "profile": {"icc_profile": bytes(3000)},
        "comment": {"comment": b"drawn by nobody"},
    }
    return {kind: encoded(photo(403, 301), **options) for kind, options in kinds.items()}


def encoded(pixels: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)  # type: ignore[arg-type]
    return stream.getvalue()


def as_pillow_reads(path: Path, draft: int | None) -> np.ndarray | str:
    """What `read_pixels` gives or says when every picture is left to Pillow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "decode_plain_jpeg", lambda *_: None)
        return pixels_or_reason(path, draft)


def pixels_or_reason(path: Path, draft: int | None) -> np.ndarray | str:
    try:
        return read_pixels(path, draft=draft)
    except PictureError as error:
        return str(error)


@pytest.mark.parametrize(
    ("draft", "boxes"), [(None, [None]), (112, [None]), (40, [(0.0, 0.0, 0.5, 1.0)]), (24, [None])]
)
def test_opencv_decodes_every_kind_of_plain_jpeg_to_pillows_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draft: int | None, boxes: list[Box | None]
) -> None:
    path = tmp_path / "a.jpg"
    for kind, content in plain_jpegs().items():
        path.write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(pictures, "decode_plain_jpeg", lambda *_: None)
            expected = read_pixels(path, draft=draft, boxes=boxes)
        with monkeypatch.context() as patch:
            patch.setattr(pictures.Image, "open", None)
            assert np.array_equal(read_pixels(path, draft=draft, boxes=boxes), expected), kind


def test_narrow_jpegs_are_decoded_at_pillows_scale(tmp_path: Path) -> None:
    for width, height in ((16, 5), (5, 16), (17, 3), (12, 1), (1, 40)):
        (tmp_path / "a.jpg").write_bytes(encoded(photo(width, height)))
        for draft in (1, 2, 4):
            expected = as_pillow_reads(tmp_path / "a.jpg", draft)
            assert np.array_equal(read_pixels(tmp_path / "a.jpg", draft=draft), expected), (width, height)


def test_damaged_jpegs_get_the_verdict_and_the_pixels_that_pillow_gives(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.jpg"
    base = encoded(photo(48, 36), restart_marker_blocks=4)
    for number in range(300):
        bits = np.unpackbits(np.frombuffer(base, np.uint8))
        bits[rng.integers(0, len(bits), int(rng.integers(1, 4)))] ^= 1
        content = np.packbits(bits).tobytes()
        if number % 3 == 0:
            content = base[: int(rng.integers(200, len(base)))] + b"\xff\xd9" * (number % 2)
        path.write_bytes(content)
        ours, expected = pixels_or_reason(path, 8), as_pillow_reads(path, 8)
        assert type(ours) is type(expected), (number, ours, expected)
        assert np.array_equal(ours, expected), number


def test_png_whose_checksum_tells_of_damage_is_refused(tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "a.png", compress_level=0)
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"a\.png: corrupt or truncated"):
        read_picture(tmp_path / "a.png")


def test_jpeg_of_a_thousand_scans_is_refused(tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "a.jpg", progressive=True)
    content = (tmp_path / "a.jpg").read_bytes()
    start = content.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(content[:start] + content[start:-2] * 1000 + content[-2:])
    with pytest.raises(PictureError, match=r"a\.jpg: more than 200 scans; save it anew as a plain JPEG"):
        read_picture(tmp_path / "a.jpg")


def test_pipe_and_folder_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").mkdir()
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(PictureError, match="no such picture"):
            read_picture(tmp_path / name)
