"""Import of TorchScript networks."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import onnx
import torch

from voxome.errors import UnsupportedFormat
from voxome.extras import require
from voxome.models.imports.config import ModelImport
from voxome.models.parity import check_parity

require("train", "torch")

_SIZES = ((1, 5), (2, 7), (3, 9))
"""Batch, and strides beyond the context, of the sizes at which the conversion is checked."""


def read_torchscript(source: Path, config: ModelImport) -> onnx.ModelProto:
    """Convert a TorchScript file to ONNX, in evaluation mode, and compare the results at three sizes.

    Raises
    ------
    UnsupportedFormat
        If it is no TorchScript, or cannot be converted.
    CorruptData
        If the results differ.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            network = torch.jit.load(source, map_location="cpu").eval()
        except RuntimeError as error:
            raise UnsupportedFormat(f"{source} is not TorchScript: {error}; save it with torch.jit.script") from error
        axes = {0: "n"}
        if config.layout == "tiles":
            axes |= {2 + axis: f"axis{axis}" for axis in range(config.dimensions)}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            try:
                torch.onnx.export(
                    network,
                    (_example(config, 2, 4),),
                    str(path),
                    input_names=["raw"],
                    output_names=["result"],
                    dynamic_axes={"raw": axes, "result": axes},
                    opset_version=17,
                    dynamo=False,
                )
            except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
                raise UnsupportedFormat(f"{source} cannot be converted to ONNX: {error}") from error
            examples = [_example(config, *size) for size in _SIZES]
            check_parity(path, [(one.numpy(), network(one).numpy()) for one in examples])
            converted: onnx.ModelProto = onnx.load(path)
            return converted


def _example(config: ModelImport, batch: int, strides: int) -> torch.Tensor:
    """Return noise of a size that the network takes."""
    if config.layout == "patches":
        shape = [2 * c + 1 for c in config.context]
    else:
        shape = [strides * s + 2 * c for s, c in zip(config.stride, config.context, strict=True)]
    return torch.randn(batch, 1, *shape[3 - config.dimensions :], generator=torch.Generator().manual_seed(batch))
