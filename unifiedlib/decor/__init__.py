"""The embedded collection `decor`: a home-decor world drawn in code, deterministic for a seed."""

from unifiedlib.decor.product import CATEGORIES, STYLES, Product
from unifiedlib.decor.settings import DecorSettings
from unifiedlib.decor.world import World

__all__ = ["CATEGORIES", "STYLES", "DecorSettings", "Product", "World"]
