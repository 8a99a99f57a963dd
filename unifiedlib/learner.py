"""What a training trains: the embedding model, and what its losses need beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from unifiedlib.devices import Processes
from unifiedlib.distillation import Scoring, Teachers
from unifiedlib.losses import NO_LABEL, ProxyHead, sampled_classes
from unifiedlib.model import EmbeddingModel, Head, HeadMaker, ModelSettings, replicated_head
from unifiedlib.sampling import generator_for
from unifiedlib.sharding import ShardedProxyHead
from unifiedlib.train_settings import TrainSettings
from unifiedlib.weighting import make_weighting


def head_maker(settings: TrainSettings, processes: Processes) -> HeadMaker:
    """Heads for training: label sets of more than `classes_per_step` classes have sparse proxies, shared among processes."""

    def make(n_classes: int, model: ModelSettings, generator: torch.Generator) -> Head:
        if not 0 < settings.classes_per_step < n_classes:
            return replicated_head(n_classes, model, generator)
        kind = ShardedProxyHead if processes.world > 1 else ProxyHead
        return kind(n_classes, model.dim, model.temperature, generator, sparse=True)

    return make


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, world: int) -> Tensor:
        return loss / world

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def spread(loss: Tensor, world: int) -> Tensor:
    """A loss that every process knows whole, as this one's part of it: the parts add up to it, the gradient stays."""
    part: Tensor = _Spread.apply(loss, world)
    return part


class Learner(nn.Module):
    """The model that is trained, and what its losses need: their weights, teachers if any, and their scale with fp16.

    A loss is named: `<task>/<label set>` for the label sets' own, `teacher <task>/<label set>` and `distilled <task>` for
    those of the teachers.
    """

    def __init__(self, model: EmbeddingModel, settings: TrainSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.model = model
        self.classes_per_step = settings.classes_per_step
        self.distillation = settings.distillation
        self.weighting = make_weighting(settings.weighting, list(model.classes))
        self.scaler = torch.amp.GradScaler(enabled=settings.precision == "fp16")
        self.teachers: Teachers | None = None
        if settings.distillation and model.classes:
            self.teachers = Teachers(
                model.width, settings.dim, model.classes, settings.temperature, generator
            )

    @property
    def heads(self) -> dict[str, Head]:
        """The model's heads by label set, `task/label_set`."""
        return {key: self.model.head(key) for key in self.model.classes}

    @property
    def whole_batch(self) -> bool:
        """Whether a loss needs all images of a batch, because they see each other: pieces' losses would not add up to it."""
        heads = any(getattr(head, "whole_batch", False) for head in self.heads.values())
        return self.teachers is not None or heads

    @property
    def is_sharded(self) -> bool:
        """Whether some label set's proxies are spread over the processes."""
        return any(self.sharded(key) for key in self.heads)

    def sharded(self, key: str) -> bool:
        """Whether a label set's proxies are spread over the processes."""
        return isinstance(self.heads.get(key), ShardedProxyHead)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The new parameters: `rows` whose gradients are sparse, `plain` without weight decay, `weights` of losses, and `new`."""
        groups: dict[str, list[nn.Parameter]] = {
            "new": [],
            "rows": [],
            "weights": list(self.weighting.parameters()),
            "plain": list(self.model.pooling.parameters()),
        }
        rows = {id(head.proxies) for head in self.heads.values() if getattr(head, "sparse", False)}
        listed = {id(one) for name in ("weights", "plain") for one in groups[name]}
        for name, parameter in self.named_parameters():
            if name.startswith("model.trunk.") or id(parameter) in listed:
                continue
            groups["rows" if id(parameter) in rows else "new"].append(parameter)
        return groups

    def summed(self) -> list[nn.Parameter]:
        """The parameters that every process holds a copy of, whose gradients the processes add up."""
        own = {
            id(one)
            for head in self.heads.values()
            if isinstance(head, ShardedProxyHead)
            for one in head.parameters()
        }
        return [one for one in self.parameters() if one.requires_grad and id(one) not in own]

    def whole_state(self) -> dict[str, Tensor]:
        """Weights as one process alone would hold them, in the first process; every process must call it."""
        state: dict[str, Tensor] = dict(self.state_dict())
        for key, head in self.heads.items():
            if isinstance(head, ShardedProxyHead):
                full = head.full_proxies()
                if full is not None:
                    state[f"model.heads.{key}.proxies"] = full
        return state

    def load_whole_state(self, state: dict[str, Tensor]) -> None:
        """Take what this process holds out of weights as one process alone would hold them."""
        own = dict(state)
        for key, head in self.heads.items():
            if isinstance(head, ShardedProxyHead):
                name = f"model.heads.{key}.proxies"
                own[name] = head.own_block(own[name])
        self.load_state_dict(own)

    def carried(self, labels: Tensor) -> dict[str, int]:
        """How many images each loss is a mean over. labels: int64 [n x label sets]."""
        known = labels != NO_LABEL
        counts = {key: int(known[:, column].sum()) for column, key in enumerate(self.model.classes)}
        if self.teachers is not None:
            for task in self.teachers.tasks:
                columns = [i for i, key in enumerate(self.model.classes) if key.partition("/")[0] == task]
                counts[f"distilled {task}"] = int(known[:, columns].any(dim=1).sum())
                counts |= {f"teacher {key}": counts[key] for key in counts if key.partition("/")[0] == task}
        return counts

    def sample(self, labels: Tensor, key: tuple[int | str, ...]) -> dict[str, Tensor]:
        """The classes in each label set's softmax for a batch; no entry where all of them are.

        labels: of the whole batch, int64 [n x label sets]. key: names seed and step.
        """
        sampled = {}
        for column, (name, names) in enumerate(self.model.classes.items()):
            if 0 < self.classes_per_step < len(names):
                generator = generator_for(*key, name)
                sampled[name] = sampled_classes(
                    labels[:, column], len(names), self.classes_per_step, generator
                )
        return sampled

    def losses(
        self, pooled: Tensor, embeddings: Tensor, labels: Tensor, classes: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Each loss of these images. labels: int64 [n x label sets]; classes: see `sample`."""
        losses = {
            key: head(embeddings, labels[:, column], classes.get(key))
            for column, (key, head) in enumerate(self.heads.items())
        }
        if self.teachers is not None:
            heads = cast(Mapping[str, Scoring], self.heads)
            losses |= self.teachers.losses(pooled, embeddings, labels, heads, self.distillation)
        return losses

    def combine(self, losses: Mapping[str, Tensor], share: float) -> Tensor:
        """What is minimised: the label sets' losses, weighted, and the teachers' as they are. share: of the batch, 0 to 1."""
        own = {key: loss for key, loss in losses.items() if key in self.model.classes}
        others = [loss for key, loss in losses.items() if key not in own]
        total: Tensor = self.weighting.combine(own, share)
        return torch.stack([total, *others]).sum() if others else total

    def accuracy(self, embeddings: Tensor, labels: np.ndarray) -> dict[str, float]:
        """Per label set, the share of images whose nearest proxy is their class; no entry where none carries a label."""
        scores = {}
        for column, (key, head) in enumerate(self.heads.items()):
            known = labels[:, column] != NO_LABEL
            if known.any():
                found = head.nearest(embeddings[torch.from_numpy(known)]).cpu().numpy()
                scores[f"accuracy {key}"] = float((found == labels[known, column]).mean())
        return scores
