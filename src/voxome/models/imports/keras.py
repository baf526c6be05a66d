"""Import of the HDF5 weights of Keras 1, whose file has the weights but not what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.models.imports.config import Keras, Layer, ModelImport

Weights = list[NDArray[np.float32]]

_TENSORS = {"convolution": 2, "dense": 2, "normalization": 4}
"""Type of layer → number of its tensors; others have none."""


def read_keras(source: Path, config: ModelImport) -> onnx.ModelProto:
    """Make an ONNX network (n, 1, y, x) → (n, channels) of the weights and layers of a Keras network.

    Raises
    ------
    InvalidInput
        If the description has no layers, or others than the file.
    UnsupportedFormat
        If the file is no HDF5 file of Keras 1.
    """
    keras = config.keras
    if keras is None:
        raise InvalidInput(
            f"{source.name} has weights only: set keras.backend, .layers and .columns, and .statistics_axis, "
            ".statistic and .epsilon if it has batch normalisation"
        )
    if config.layout != "patches":
        raise InvalidInput("HDF5 weights of Keras are imported as networks of patches: set layout to 'patches'")
    stored = _read(source)
    _compare(stored, keras, source)
    builder = _Builder(keras)
    for layer, weights in zip(keras.layers, stored, strict=True):
        builder.add(layer, weights)
    return builder.finish()


def _read(source: Path) -> list[Weights]:
    """Return the tensors of every layer, in both forms of such files: ``layer_0/param_0``, and layers by name."""
    try:
        with h5py.File(source) as file:
            if "layer_names" in file.attrs:
                groups = [file[_text(name)] for name in file.attrs["layer_names"]]
                return [[_tensor(one[_text(name)]) for name in one.attrs["weight_names"]] for one in groups]
            groups = [file[f"layer_{number}"] for number in range(int(file.attrs["nb_layers"]))]
            return [[_tensor(one[f"param_{k}"]) for k in range(int(one.attrs["nb_params"]))] for one in groups]
    except (OSError, KeyError, ValueError) as error:
        raise UnsupportedFormat(f"{source} is not an HDF5 file of the weights of Keras 1: {error}") from error


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _tensor(data: h5py.Dataset) -> NDArray[np.float32]:
    return np.asarray(data[...], np.float32)


def _compare(stored: list[Weights], keras: Keras, source: Path) -> None:
    expected = [_TENSORS.get(layer.type, 0) for layer in keras.layers]
    found = [len(weights) for weights in stored]
    if expected != found:
        names = [f"{layer.type} ({count})" for layer, count in zip(keras.layers, expected, strict=True)]
        raise InvalidInput(
            f"The {len(found)} layers of {source.name} have {', '.join(map(str, found))} tensors, but keras.layers are "
            f"{', '.join(names)}: every tensor of the file has to be that of a layer, and every layer needs its own"
        )


class _Builder:
    """Graph of a network, layer by layer."""

    def __init__(self, keras: Keras) -> None:
        self.keras = keras
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.last = "raw"

    def add(self, layer: Layer, weights: Weights) -> None:
        """Add a layer with its weights."""
        _LAYERS[layer.type](self, layer, weights)

    def node(self, kind: str, constants: Weights | list[NDArray[np.int64]] = (), **options: object) -> None:  # type: ignore[assignment]
        """Add a node that takes the last result."""
        number = len(self.nodes)
        names = [f"w{number}_{k}" for k in range(len(constants))]
        self.tensors += [
            from_array(np.ascontiguousarray(one), name) for one, name in zip(constants, names, strict=True)
        ]
        self.nodes.append(helper.make_node(kind, [self.last, *names], [f"r{number}"], **options))
        self.last = f"r{number}"

    def convolution(self, _: Layer, weights: Weights) -> None:
        kernel, bias = weights
        kernel = kernel[:, :, ::-1, ::-1] if self.keras.backend == "theano" else kernel.transpose(3, 2, 0, 1)
        self.node("Conv", [kernel, bias])

    def normalization(self, _: Layer, weights: Weights) -> None:
        shape = {"channel": (1, -1, 1, 1), "y": (1, 1, -1, 1), "x": (1, 1, 1, -1)}[str(self.keras.statistics_axis)]
        gamma, beta, mean, stored = (one.reshape(shape) for one in weights)
        epsilon = np.float32(self.keras.epsilon or 0)
        std = stored + epsilon if self.keras.statistic == "std" else np.sqrt(stored + epsilon)
        self.node("Sub", [mean])
        self.node("Mul", [gamma / std])
        self.node("Add", [beta])

    def pool(self, layer: Layer, _: Weights) -> None:
        self.node("MaxPool", kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)

    def flatten(self, _: Layer, __: Weights) -> None:
        if self.keras.backend == "tensorflow":
            self.node("Transpose", perm=[0, 2, 3, 1])
        self.node("Flatten")

    def dense(self, _: Layer, weights: Weights) -> None:
        self.node("Gemm", weights)

    def relu(self, _: Layer, __: Weights) -> None:
        self.node("Relu")

    def softmax(self, _: Layer, __: Weights) -> None:
        self.node("Softmax", axis=1)

    def sigmoid(self, _: Layer, __: Weights) -> None:
        self.node("Sigmoid")

    def finish(self) -> onnx.ModelProto:
        """Return the network, with the columns that are its channels."""
        self.node("Gather", [np.array(self.keras.columns, np.int64)], axis=1)
        graph = helper.make_graph(
            self.nodes,
            "keras",
            [helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["n", 1, "y", "x"])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ["n", len(self.keras.columns)])],
            self.tensors,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


_LAYERS: dict[str, Callable[[_Builder, Layer, Weights], None]] = {
    "convolution": _Builder.convolution,
    "dense": _Builder.dense,
    "flatten": _Builder.flatten,
    "normalization": _Builder.normalization,
    "pool": _Builder.pool,
    "relu": _Builder.relu,
    "sigmoid": _Builder.sigmoid,
    "softmax": _Builder.softmax,
}
