"""Distillation of per-task teachers, on the same trunk and trained at the same time, into the one embedding.

Ypsilantis et al., "UDON: Universal Dynamic Online distillatioN for generic image representations", NeurIPS 2024. As there:
teachers share the trunk and are trained by classification along with the student (the unified embedding), which also
learns each teacher's class scores and similarities within the batch; no gradient of that reaches a teacher, and teachers
are dropped at inference. `Teachers` says where this is our reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unifiedlib.losses import NO_LABEL, ProxyHead


class Scoring(Protocol):
    """A head that scores classes, such as `ProxyHead`."""

    def logits(self, embeddings: Tensor, /) -> Tensor:
        """Class scores [n x n_classes] of unit vectors [n x dim]."""


def score_divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Mean over rows of the divergence `KL(softmax(teacher) || softmax(student))`, a scalar in nats.

    teacher, student: scores [n x choices], over their temperature; n at least 1. The teacher gets no gradient.
    """
    expected = F.log_softmax(teacher.detach(), dim=1)
    return F.kl_div(F.log_softmax(student, dim=1), expected, reduction="batchmean", log_target=True)


def _similarities(embeddings: Tensor) -> Tensor:
    """Each unit vector's cosine similarity to each other one, [n x n - 1] for [n x dim]."""
    others = ~torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    return (embeddings @ embeddings.T)[others].view(len(embeddings), -1)


def similarity_divergence(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """How far the student's similarities within a batch lie from the teacher's, a scalar in nats.

    teacher, student: unit vectors [n x teacher dim] and [n x dim] of the same images. Each image's similarities to the
    others, over the temperature, make a softmax; see `score_divergence`. Similarity to itself is always 1 and is left out,
    so fewer than three images leave nothing to compare: 0.
    """
    if len(student) < 3:
        return student.sum() * 0.0
    return score_divergence(_similarities(teacher) / temperature, _similarities(student) / temperature)


class Teacher(nn.Module):
    """One task's branch on the trunk: LayerNorm without affine parameters, a bias-free Linear, unit length, proxy heads.

    classes: class names of the task's label sets, keyed `task/label_set`. See `Teachers` for the rest.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        classes: dict[str, list[str]],
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        # Made empty: its own first weights would come from torch's global generator.
        self.linear = nn.Linear(width, dim, bias=False, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            self.linear.weight.normal_(0, width**-0.5, generator=generator)
        self.heads = nn.ModuleDict(
            {key: ProxyHead(len(names), dim, temperature, generator) for key, names in classes.items()}
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """Unit vectors [n x dim] of pooled trunk features [n x width]."""
        return F.normalize(self.linear(F.layer_norm(pooled, (self.linear.in_features,))), dim=1)

    def head(self, key: str) -> ProxyHead:
        """The proxies of one of the task's label sets, keyed `task/label_set`."""
        return cast(ProxyHead, self.heads[key])


class Teachers(nn.Module):
    """A teacher for each task, and what the one embedding learns from them.

    width: of the trunk's features. dim: of the teachers' embeddings (UDON: 256 for a student of 64). classes: as in
    `EmbeddingModel`. temperature: above 0, of the teachers' heads and of the similarities. generator: draws first weights.

    Our reading, where UDON differs: a batch mixes tasks, so each teacher sees its task's images in it (UDON: batches of one
    task). Similarities are compared as softmax rows (UDON's code: by squared difference of the cosines). Scores keep the
    heads' temperatures (UDON: 0.1, and 1/16 for classification). With several label sets to a task their score terms are
    summed, over all images of the task, those without a label in one set included: there the teacher knows more than the
    labels say. The student's scores come from its own proxies, which learn from them too.

    Similarities are between images of a batch, so a batch cannot be taken in pieces, or in processes, whose losses add up.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        classes: dict[str, list[str]],
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if width < 1 or dim < 1 or temperature <= 0 or not classes:
            raise ValueError(
                "teachers need widths, a temperature above 0 and label sets, "
                f"not {width}, {dim}, {temperature}, {list(classes)}"
            )
        self.temperature = temperature
        self.columns = {key: column for column, key in enumerate(classes)}
        self.tasks = list(dict.fromkeys(key.partition("/")[0] for key in classes))
        own = [{key: classes[key] for key in classes if key.partition("/")[0] == task} for task in self.tasks]
        # By number, since a module cannot be registered under every name that a task may have.
        self.branches = nn.ModuleList(Teacher(width, dim, part, temperature, generator) for part in own)

    def teacher(self, task: str) -> Teacher:
        """The teacher of a task."""
        return cast(Teacher, self.branches[self.tasks.index(task)])

    def losses(
        self,
        pooled: Tensor,
        embeddings: Tensor,
        labels: Tensor,
        student_heads: Mapping[str, Scoring],
        weight: float,
    ) -> dict[str, Tensor]:
        """All losses of a batch, to be summed: `teacher <key>` for each label set, and `distilled <task>` for each task.

        pooled: trunk features [n x width]. embeddings: the student's unit vectors of them [n x dim]. labels: int64
        [n x label sets], columns in the order of `classes`, or `NO_LABEL`; an image belongs to a task when it carries a
        label of any of the task's label sets, and only such images count there. student_heads: the student's, keyed as
        `classes`. weight: of the distilled terms, at least 0; the teachers' own classification losses count once.
        A task without images in the batch gives zeros.
        """
        if labels.shape != (len(pooled), len(self.columns)) or len(embeddings) != len(pooled) or weight < 0:
            raise ValueError(
                f"labels {tuple(labels.shape)}, features {tuple(pooled.shape)}, embeddings {tuple(embeddings.shape)} "
                f"and weight {weight} do not fit {len(self.columns)} label sets: pass one row per image, a column per "
                "label set and a weight of at least 0"
            )
        losses: dict[str, Tensor] = {}
        for task in self.tasks:
            teacher = self.teacher(task)
            columns = [self.columns[key] for key in teacher.heads]
            member = (labels[:, columns] != NO_LABEL).any(dim=1)
            taught, learned = teacher(pooled[member]), embeddings[member]
            for key, column in zip(teacher.heads, columns, strict=True):
                losses[f"teacher {key}"] = teacher.head(key)(taught, labels[member, column])
            losses[f"distilled {task}"] = weight * self._distilled(teacher, taught, learned, student_heads)
        return losses

    def _distilled(
        self, teacher: Teacher, taught: Tensor, learned: Tensor, student_heads: Mapping[str, Scoring]
    ) -> Tensor:
        """What the student's vectors `learned` of a task's images lack of their teacher's, `taught`; not weighted."""
        if not len(learned):
            return learned.sum() * 0.0
        terms = [similarity_divergence(taught, learned, self.temperature)]
        for key in teacher.heads:
            with torch.no_grad():
                scores = teacher.head(key).logits(taught)
            terms.append(score_divergence(scores, student_heads[key].logits(learned)))
        return torch.stack(terms).sum()
