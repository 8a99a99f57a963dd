from __future__ import annotations

from unifiedlib import paths
from unifiedlib.decor import DecorSettings
from unifiedlib.decor.settings import _FACTORS
from unifiedlib.figures.decor import NUISANCES, click_figure, nuisance_sheet, product_sheet


def test_every_factor_of_the_settings_has_its_row() -> None:
    named = {f"{domain}_{name}" for domain, names in NUISANCES.items() for name in names}
    assert named == set(_FACTORS)


def test_sheets_show_a_row_per_nuisance_and_value() -> None:
    texts = [text.get_text() for text in nuisance_sheet(DecorSettings(), 32).axes[0].texts]
    assert "camera_blur" in texts
    assert "scene_overlap" in texts
    assert len(product_sheet(DecorSettings(), size=32).axes[0].images) == 6 * 9


def test_click_figure_counts_every_pin_once() -> None:
    bars = click_figure(DecorSettings(), 200).axes[0].containers
    assert [round(sum(bar[i].get_height() for bar in bars), 6) for i in range(4)] == [1.0] * 4
    assert bars[0][0].get_height() == 1.0  # no noise: every label is the pin's own style


def test_figures_of_the_page_are_there() -> None:
    page = paths.resolve("docs/decor.md").read_text(encoding="utf-8")
    for name in ("nuisances", "products", "clicks"):
        assert f"figures/decor-{name}.png" in page
        assert paths.resolve(f"docs/figures/decor-{name}.png").is_file()
