"""Framing of pictures: boxes cut out of them, and pictures made square."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

Box = tuple[float, float, float, float]


def _corners(width: int, height: int, box: Box) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box in pixels, at least one pixel each way."""
    left, top = int(box[0] * width), int(box[1] * height)
    return left, top, max(left + 1, round(box[2] * width)), max(top + 1, round(box[3] * height))


def crop_pixels(pixels: np.ndarray, box: Box | None) -> np.ndarray:
    """Cut out `box` (x0, y0, x1, y1 in 0..1) of pixels [height x width x 3], at least one pixel each way; None keeps all.

    The result is a view.
    """
    if box is None:
        return pixels
    left, top, right, bottom = _corners(pixels.shape[1], pixels.shape[0], box)
    return pixels[top:bottom, left:right]


def _resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bicubic and antialiased: Pillow's result to one level, from PyTorch's kernel for bytes in a third of the time."""
    if pixels.shape[:2] == (height, width):
        return pixels
    # PyTorch takes no memory that is read-only, as Pillow's is.
    pixels = pixels if pixels.flags.writeable else pixels.copy()
    # Only so, with the strides of a batch, does its kernel keep the channels together.
    channels_last = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    small = interpolate(channels_last, (height, width), mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).numpy()


def square_pixels(picture: Image.Image | np.ndarray, size: int) -> np.ndarray:
    """Shrink or enlarge an RGB picture, or its pixels uint8 [height x width x 3], to `size` x `size`, uint8 [size x size x 3].

    The picture is fitted whole, its shape kept, on a background of its mean border colour: a garment or a bottle is
    often cut by a central crop and bent by squeezing.
    """
    pixels = np.asarray(picture)
    scale = size / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = _resize(pixels, height, width)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]).mean(axis=0)
    top, left = (size - height) // 2, (size - width) // 2
    return np.asarray(
        cv2.copyMakeBorder(
            small,
            top,
            size - height - top,
            left,
            size - width - left,
            cv2.BORDER_CONSTANT,
            value=np.rint(border).tolist(),
        )
    )
