"""What class proxies have learned: which classes a model holds for alike."""

from __future__ import annotations

import pandas as pd
import torch
import torch.nn.functional as F

from unifiedlib.model import EmbeddingModel

# Label sets of more classes are compared by their first ones: a matrix of all pairs would not fit.
MOST_CLASSES = 5_000
COLUMNS = ["label_set", "class", "nearest_label_set", "nearest_class", "cosine"]


@torch.no_grad()
def nearest_classes(model: EmbeddingModel, count: int = 4) -> pd.DataFrame:
    """The pairs of classes whose proxies are closest: `count` within each label set, and `count` across label sets of two tasks.

    Columns label_set, class, nearest_label_set, nearest_class, cosine (-1 to 1); each pair once, the closest first. Of a
    label set with more than `MOST_CLASSES` classes the first are compared.
    """
    directions = {key: F.normalize(model.head(key).proxies[:MOST_CLASSES], dim=1) for key in model.classes}
    keys = list(directions)
    parts = [_closest(model, key, key, directions[key], directions[key], count) for key in keys]
    across = [
        _closest(model, one, other, directions[one], directions[other], count)
        for number, one in enumerate(keys)
        for other in keys[number + 1 :]
        if one.partition("/")[0] != other.partition("/")[0]
    ]
    if across:
        parts.append(pd.concat(across, ignore_index=True).nlargest(count, "cosine"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _closest(
    model: EmbeddingModel, one: str, other: str, first: torch.Tensor, second: torch.Tensor, count: int
) -> pd.DataFrame:
    """The closest pairs of a class of label set `one` and one of `other`."""
    cosines = first @ second.T
    if one == other:
        cosines = cosines.masked_fill(torch.ones_like(cosines, dtype=torch.bool).tril(), -torch.inf)
    n_pairs = int(torch.isfinite(cosines).sum())
    values, places = cosines.flatten().topk(min(count, n_pairs))
    rows = zip(
        (places // len(second)).tolist(), (places % len(second)).tolist(), values.tolist(), strict=True
    )
    names, others = model.classes[one], model.classes[other]
    return pd.DataFrame([(one, names[i], other, others[j], value) for i, j, value in rows], columns=COLUMNS)
