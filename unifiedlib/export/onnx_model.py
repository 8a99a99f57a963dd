"""`model.onnx` of an export: from stored pixels to embedding and code in one graph, compared with PyTorch once written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats, binarize, unpack
from unifiedlib.model import EmbeddingModel

OPSET = 18
# Rounding in another order of operations gives about 1e-7; a wrong scale or layout gives far more than this.
TOLERANCE = 1e-4
PICTURES_AT_ONCE = 24


class PixelsToEmbedding(nn.Module):
    """A model with its preprocessing and its bits inside: uint8 [n x size x size x 3] becomes embedding and code."""

    def __init__(self, model: EmbeddingModel) -> None:
        super().__init__()
        self.model = model
        self.places: Tensor
        self.register_buffer("places", 2.0 ** torch.arange(BITS_PER_BYTE))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors, float32 [n x dim], and their codes, uint8 [n x dim/8], lowest bit first (as `binarize`)."""
        embedding: Tensor = self.model(pixels.permute(0, 3, 1, 2).float() / 255)
        bits = (embedding > 0).float().reshape(-1, embedding.shape[1] // BITS_PER_BYTE, BITS_PER_BYTE)
        return embedding, (bits * self.places).sum(dim=2).to(torch.uint8)


@dataclass(frozen=True)
class Agreement:
    """How far two ways to embed the same pictures agree.

    pictures: how many were compared. largest_difference: of a value, all pictures and places alike. equal_bits: share of the
    bits of their codes that are equal, 0 to 1.
    """

    pictures: int
    largest_difference: float
    equal_bits: float


def agreement(ours: Floats, others: Floats) -> Agreement:
    """Compare embeddings of the same pictures, both float32 [n x dim], n at least 1."""
    bits = [unpack(binarize(floats), floats.shape[1]) for floats in (ours, others)]
    return Agreement(len(ours), float(np.abs(ours - others).max()), float((bits[0] == bits[1]).mean()))


def _without_traces(proto: onnx.ModelProto) -> None:
    """Drop the notes on where in which source file a node comes from: they name folders of this machine."""
    for graph in (proto.graph, *proto.functions):
        for part in (graph, *graph.node, *graph.value_info):
            del part.metadata_props[:]


def write_onnx(path: Path, model: EmbeddingModel, about: Mapping[str, str]) -> None:
    """Write the model as one ONNX file, any number of pictures at once.

    Input `pixels`, uint8 [n x size x size x 3]; outputs `embedding`, float32 [n x dim], and `code`, uint8 [n x dim/8].
    about: texts kept in the file's metadata.
    Raises ValueError for a trunk with operations that ONNX lacks.
    """
    size = model.settings.size
    try:
        program = torch.onnx.export(
            PixelsToEmbedding(model).eval(),
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            input_names=["pixels"],
            output_names=["embedding", "code"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    except OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"trunk {model.settings.trunk!r} cannot be written as ONNX: {reason}") from error
    if program is None:
        raise RuntimeError("PyTorch's exporter gave no program: install the versions of requirements.lock")
    proto = program.model_proto
    _without_traces(proto)
    onnx.helper.set_model_props(proto, dict(about))
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def run_onnx(path: Path, pixels: np.ndarray) -> tuple[Floats, Codes]:
    """Embeddings, float32 [n x dim], and codes, uint8 [n x dim/8], of pictures uint8 [n x size x size x 3] by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    blocks = [
        session.run(["embedding", "code"], {"pixels": np.array(pixels[start : start + PICTURES_AT_ONCE])})
        for start in range(0, len(pixels), PICTURES_AT_ONCE)
    ]
    return np.concatenate([floats for floats, _ in blocks]), np.concatenate([codes for _, codes in blocks])


def check_onnx(path: Path, pixels: np.ndarray, expected: Floats) -> Agreement:
    """Compare the written file with PyTorch on pictures uint8 [n x size x size x 3].

    expected: what PyTorch gives for them, float32 [n x dim].
    Raises ValueError when a value differs by more than `TOLERANCE`, or when the file's codes are not those of its embeddings.
    """
    floats, codes = run_onnx(path, pixels)
    found = agreement(expected, floats)
    if not found.largest_difference <= TOLERANCE:
        row = int(np.abs(expected - floats).max(axis=1).argmax())
        raise ValueError(
            f"{path.name} differs from PyTorch by {found.largest_difference:.2g} on picture {row} of {len(pixels)}, more "
            f"than {TOLERANCE:g}, with onnx {onnx.__version__}: install the versions of requirements.lock"
        )
    if (wrong := (codes != binarize(floats)).any(axis=1)).any():
        raise ValueError(
            f"{path.name} gives for picture {int(wrong.argmax())} a code that is not its embedding's, with onnxruntime "
            f"{onnxruntime.__version__}; install the versions of requirements.lock"
        )
    return found
