"""Other losses over class proxies than ours, pytorch-metric-learning's, behind the interface of `ProxyHead`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unifiedlib.losses import NO_LABEL, ProxyHead

LOSSES = ("softmax", "arcface", "cosface", "proxy_anchor", "subcenter_arcface")
# No means over images, see `LibraryHead.whole_batch`.
WHOLE_BATCH = ("proxy_anchor",)
# Blocks in which the nearest proxies are searched.
IMAGES_AT_ONCE = 2**10


def _library_loss(loss: str, n_classes: int, dim: int, scale: float, margin: float) -> Any:
    """The library's module, its proxies all zero: the library would draw them from torch's global generator."""
    # Imported on use: it takes most of a second, and the default loss needs none of it.
    from pytorch_metric_learning import losses  # type: ignore[import-untyped]

    kinds = {
        "arcface": losses.ArcFaceLoss,
        "cosface": losses.CosFaceLoss,
        "proxy_anchor": losses.ProxyAnchorLoss,
        "subcenter_arcface": losses.SubCenterArcFaceLoss,
    }
    options = {"alpha" if loss == "proxy_anchor" else "scale": scale}
    if margin:
        options["margin"] = margin
    return kinds[loss](num_classes=n_classes, embedding_size=dim, weight_init_func=nn.init.zeros_, **options)


class LibraryHead(nn.Module):
    """One label set's class proxies and their loss, one of pytorch-metric-learning's.

    loss: `arcface` (Deng et al., CVPR 2019), `cosface` (Wang et al., CVPR 2018), `subcenter_arcface` (Deng et al., ECCV
    2020; the library's three sub-centres, that is proxies, to a class) or `proxy_anchor` (Kim et al., CVPR 2020).
    n_classes, dim: number of classes, and width of the embedding.
    temperature: above 0; 1 / temperature is the scale of the first three and the alpha of proxy anchor, which takes the same
    place in its exponentials: so a temperature means the same to every loss. Kim et al.'s alpha of 32 is a temperature of 1/32.
    margin: 0 is the library's own; an angle in degrees for the two ArcFaces (28.6), a cosine for the others (0.35, 0.1).
    generator: draws the first proxies as `ProxyHead` does; from equal generators both start alike (but for sub-centres).

    whole_batch: whether the loss needs all images of a batch together. Proxy anchor does: it is a mean over *classes* of a log
    of a sum over all images, so the losses of pieces, or of processes, do not add up to that of the batch. The others are means
    over images, whose pieces add up by their share of the labelled images.
    """

    def __init__(
        self,
        loss: str,
        n_classes: int,
        dim: int,
        temperature: float,
        margin: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if n_classes < 1 or dim < 1 or temperature <= 0 or margin < 0:
            raise ValueError(
                "a head needs classes, a width, a temperature above 0 and a margin of at least 0, "
                f"not {n_classes}, {dim}, {temperature}, {margin}"
            )
        self.n_classes = n_classes
        self.temperature = temperature
        self.whole_batch = loss in WHOLE_BATCH
        self.loss = _library_loss(loss, n_classes, dim, 1 / temperature, margin)
        with torch.no_grad():
            self._stored().copy_(ProxyHead(len(self._stored()), dim, temperature, generator).proxies)

    def _stored(self) -> Tensor:
        """All proxies as they lie in the library's parameter, one a row; a class's sub-centres follow each other."""
        parameter: Tensor = self.loss.proxies if hasattr(self.loss, "proxies") else self.loss.W.T
        return parameter

    def _directions(self) -> Tensor:
        """Unit proxies [n_classes x sub-centres x dim]; one sub-centre where the loss has none."""
        stored = self._stored()
        return F.normalize(stored, dim=1).view(self.n_classes, -1, stored.shape[1])

    @property
    def proxies(self) -> Tensor:
        """Unit proxies [n_classes x dim]; with sub-centres, the direction of the mean of a class's unit sub-centres."""
        return F.normalize(self._directions().mean(dim=1), dim=1)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Cosine similarity to every class over the temperature, [n x n_classes], for unit vectors [n x dim].

        Without margin; the nearest sub-centre counts for its class.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            directions = self._directions()
            cosines = embeddings.to(directions.dtype) @ directions.flatten(0, 1).T
            return cosines.view(len(embeddings), *directions.shape[:2]).amax(dim=2) / self.temperature

    @torch.no_grad()
    def nearest(self, embeddings: Tensor) -> Tensor:
        """Class number, int64 [n], of the proxy nearest to each unit vector [n x dim]."""
        blocks = torch.split(embeddings, IMAGES_AT_ONCE)
        return torch.cat([self.logits(block).argmax(dim=1) for block in blocks])

    def forward(self, embeddings: Tensor, labels: Tensor, classes: Tensor | None = None) -> Tensor:
        """The loss, a scalar, of the images that carry a label here: their mean, but for proxy anchor.

        embeddings: unit vectors [n x dim]. labels: int64 [n], a class number, or `NO_LABEL` for an image that this label
        set says nothing of: such images add neither loss nor gradient. Without any labelled image the loss is 0.
        classes: refused, since only `ProxyHead` can sample its classes.
        """
        if classes is not None:
            raise ValueError("this loss cannot run over a sample of its classes: use the loss 'softmax'")
        known = labels != NO_LABEL
        if not known.any():
            return embeddings.sum() * 0.0
        # The library turns its proxies, for good, into the type of the embeddings.
        with torch.autocast(embeddings.device.type, enabled=False):
            value: Tensor = self.loss(embeddings[known].to(self._stored().dtype), labels[known])
        return value


Head = ProxyHead | LibraryHead


def make_head(
    loss: str, n_classes: int, dim: int, temperature: float, margin: float, generator: torch.Generator
) -> Head:
    """The head of a label set for one of `LOSSES`: a `ProxyHead` for `softmax`, else a `LibraryHead`, which says what they are.

    Raises ValueError for an unknown loss, and for a margin with softmax, which has none.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; choose one of {', '.join(LOSSES)}")
    if loss != "softmax":
        return LibraryHead(loss, n_classes, dim, temperature, margin, generator)
    if margin:
        raise ValueError(f"margin is {margin} and loss 'softmax', which has none: set margin to 0")
    return ProxyHead(n_classes, dim, temperature, generator)
