"""What the parameters of the drawn world do: each nuisance from nothing to its most, and how products and clicks vary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from unifiedlib.decor import STYLES, DecorSettings, World
from unifiedlib.decor.clicks import similarity
from unifiedlib.figures.canvas import new_figure
from unifiedlib.figures.tiles import Row, Tile, sheet
from unifiedlib.palette import LINE, looks

NUISANCES = {
    "pin": ("props", "grading", "text", "collage"),
    "camera": ("clutter", "tilt", "occlusion", "light", "blur", "noise", "compression"),
    "scene": ("overlap", "light"),
}
BLOCKS = {"pin": "test_pins", "camera": "test_photos", "scene": "test_boxes"}
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
TRIED = 24
CLICK_NOISES = (0.0, 0.15, 0.3, 0.6)


def _alone(settings: DecorSettings, domain: str, name: str, step: float) -> World:
    """A world in which pictures of the domain show one nuisance, so strong, and no other."""
    factors = {f"{domain}_{one}": 0.0 for one in NUISANCES[domain]}
    alone = {**factors, f"{domain}_strength": 1.0, f"{domain}_{name}": step}
    return World(DecorSettings(**{**vars(settings), **alone}))


def _clearest(settings: DecorSettings, domain: str, name: str) -> int:
    """Of the domain's first test items, the one that the nuisance changes most: some strike only by chance."""
    without, full = (_alone(settings, domain, name, step) for step in (0.0, 1.0))
    block = next(one for one in without.listing.blocks if one.name == BLOCKS[domain])
    items = range(block.start, block.start + min(TRIED, block.count))
    apart = [np.abs(without.draw(i, 32).astype(float) - full.draw(i, 32)).mean() for i in items]
    return items[int(np.argmax(apart))]


def nuisance_sheet(settings: DecorSettings, size: int = 96) -> Figure:
    """A row per nuisance: one item with that nuisance alone, from nothing to its most. `size` of a picture, pixels."""
    rows: list[Row] = []
    for domain, names in NUISANCES.items():
        for name in names:
            item = _clearest(settings, domain, name)
            tiles: list[Tile | None] = [
                Tile(_alone(settings, domain, name, step).draw(item, size)) for step in STEPS
            ]
            rows.append(Row(f"{domain}_{name}", tiles, 0.25 if rows and name == names[0] else 0.0))
    captions = [
        Tile(tile.pixels, f"{step:g}")
        for tile, step in zip(rows[-1].tiles, STEPS, strict=True)
        if tile is not None
    ]
    rows[-1] = Row(rows[-1].title, list(captions), rows[-1].gap)
    return sheet(rows, "Each nuisance alone, from nothing to its most", margin=2.0)


def _catalog(world: World, style: int, count: int, size: int) -> list[Tile | None]:
    """Catalog pictures of the first products of a style."""
    block = next(one for one in world.listing.blocks if one.name == "test_catalog")
    items = [
        item
        for item in range(block.start, block.start + block.count)
        if world.style_of(world.listing.item(item).product) == style
    ]
    return [Tile(world.draw(item, size)) for item in items[:count]]


def product_sheet(settings: DecorSettings, style: int = 29, count: int = 9, size: int = 96) -> Figure:
    """What `look_overlap` and `line_share` do: products of one style, three of a line beside each other, at 0, 0.5 and 1."""
    rows: list[Row] = []
    for name in ("look_overlap", "line_share"):
        for value in (0.0, 0.5, 1.0):
            world = World(DecorSettings(**{**vars(settings), name: value}))
            gap = 0.25 if rows and value == 0 else 0.0
            rows.append(Row(f"{name} {value:g}", _catalog(world, style, count, size), gap))
    look = STYLES[style][1]
    return sheet(rows, f"Products of one style ({look}), three of a line side by side", margin=2.0)


def click_figure(settings: DecorSettings, n_pins: int = 2000) -> Figure:
    """Where flashlight's labels come from: kinds of labels by `click_noise`, and how `click_position_bias` skews wrong ones."""
    figure = new_figure(3.2, "Simulated clicks: how many labels are wrong, and where the wrong ones land")
    left, right = figure.subplots(1, 2)
    like = similarity()
    kinds = ("own style", "same category", "kindred category")
    pins = range(min(n_pins, settings.flashlight_train_pins))
    shares = []
    for noise in CLICK_NOISES:
        world = World(replace(settings, click_noise=noise))
        pairs = [(world.style_of(world.listing.item(i).product), world.clicked_style(i)) for i in pins]
        near = np.array([like[own, clicked] for own, clicked in pairs])
        same = np.array([own == clicked for own, clicked in pairs])
        shares.append((same.mean(), (~same & (near > 0.5)).mean(), (~same & (near <= 0.5)).mean()))
    bottom = np.zeros(len(CLICK_NOISES))
    colours = ("#2A6B57", "#E9B44C", "#C8553D")
    for kind, part, colour in zip(kinds, np.array(shares).T, colours, strict=True):
        left.bar([f"{noise:g}" for noise in CLICK_NOISES], part, bottom=bottom, label=kind, color=colour)
        bottom += part
    left.set(xlabel="click_noise", ylabel="share of training pins", ylim=(0, 1))
    left.legend(loc="lower left", frameon=True, facecolor="white", edgecolor=LINE, fontsize=8)
    biases = (0.0, 1.0, 3.0)
    styles = looks([f"bias {bias:g}" for bias in biases])
    for bias in biases:
        world = World(replace(settings, click_noise=1.0, click_position_bias=bias))
        counts = np.bincount([world.clicked_style(i) for i in pins], minlength=len(STYLES))
        look = styles[f"bias {bias:g}"]
        right.plot(
            np.sort(counts)[::-1] / counts.sum(),
            color=look.colour,
            marker=look.marker,
            markevery=8,
            label=f"{bias:g}",
        )
    right.set(xlabel="style, by rank", ylabel="share of the stray clicks", ylim=(0, None))
    right.legend(title="click_position_bias", fontsize=8)
    return figure
