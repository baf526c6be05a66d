"""Changes to ONNX graphs: axes, probabilities and context as inference expects them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

from voxome.errors import InvalidInput
from voxome.models.imports.config import ModelImport

SPATIAL = ("z", "y", "x")


def adapt(network: onnx.ModelProto, config: ModelImport) -> onnx.ModelProto:
    """Return a network with one input and one output, of the layout that the card states.

    Tiles are (1, 1, z, y, x), without the context in the output; sections of a network of 2 dimensions are its batch.

    Raises
    ------
    InvalidInput
        If the network has several inputs, or outputs of which none is chosen, or an input of other axes.
    """
    graph = network.graph
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    if len(inputs) != 1:
        raise InvalidInput(f"The network has {len(inputs)} inputs; expected one, the image")
    axes = len(inputs[0].type.tensor_type.shape.dim)
    if axes != config.dimensions + 2:
        raise InvalidInput(
            f"The input of the network has {axes} axes; expected {config.dimensions + 2}, as dimensions is "
            f"{config.dimensions}"
        )
    chain = _Chain(network, inputs[0], _choose_output(graph, config.output))
    if config.activation != "none":
        options: dict[str, Any] = {"axis": 1} if config.activation == "softmax" else {}
        chain.append({"sigmoid": "Sigmoid", "softmax": "Softmax"}[config.activation], **options)
    if config.layout == "patches":
        return chain.finish(["n", 1, "y", "x"], ["n", len(config.channels)])
    if config.padded:
        _crop(chain, config)
    if config.dimensions == 2:
        chain.prepend("Transpose", perm=[1, 0, 2, 3])
        chain.prepend("Squeeze", [np.array([0], np.int64)])
        chain.append("Transpose", perm=[1, 0, 2, 3])
        chain.append("Unsqueeze", [np.array([0], np.int64)])
    batch: str | int = 1 if config.dimensions == 2 else "n"
    out = [f"{name}_out" for name in SPATIAL]
    return chain.finish([batch, 1, *SPATIAL], [batch, len(config.channels), *out])


def _choose_output(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    """Return the output of this name, or the only one."""
    chosen = [one for one in graph.output if name in ("", one.name)]
    if len(chosen) != 1:
        names = ", ".join(one.name for one in graph.output)
        found = f"no output {name}" if name else f"{len(chosen)} outputs"
        raise InvalidInput(f"The network has {found}; set output to the one that is the probability: {names}")
    return chosen[0]


def _crop(chain: _Chain, config: ModelImport) -> None:
    context = np.array(config.context[3 - config.dimensions :], np.int64)
    ends = np.where(context, -context, np.iinfo(np.int64).max)
    chain.append("Slice", [context, ends, np.arange(2, 2 + config.dimensions, dtype=np.int64)])


class _Chain:
    """A network whose input and output get further nodes."""

    def __init__(self, network: onnx.ModelProto, given: onnx.ValueInfoProto, result: onnx.ValueInfoProto) -> None:
        self.network = onnx.ModelProto()
        self.network.CopyFrom(network)
        self.first, self.last, self.count = given.name, result.name, 0

    def append(self, kind: str, constants: Sequence[np.ndarray] = (), **options: Any) -> None:
        """Add a node after the output."""
        name = self._name()
        self.network.graph.node.append(
            helper.make_node(kind, [self.last, *self._constants(constants)], [name], **options)
        )
        self.last = name

    def prepend(self, kind: str, constants: Sequence[np.ndarray] = (), **options: Any) -> None:
        """Add a node before the input."""
        name = self._name()
        node = helper.make_node(kind, [name, *self._constants(constants)], [self.first], **options)
        self.network.graph.node.insert(0, node)
        self.first = name

    def finish(self, shape_in: Sequence[str | int], shape_out: Sequence[str | int]) -> onnx.ModelProto:
        """Return the network with the declared axes."""
        graph = self.network.graph
        weights = {one.name for one in graph.initializer}
        kept = [one for one in graph.input if one.name in weights]
        for values, name, shape in (
            (graph.input, self.first, shape_in),
            (graph.output, self.last, shape_out),
        ):
            del values[:]
            values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        graph.input.extend(kept)
        return self.network

    def _name(self) -> str:
        self.count += 1
        return f"voxome_{self.count}"

    def _constants(self, values: Sequence[np.ndarray]) -> list[str]:
        names = []
        for value in values:
            names.append(f"{self._name()}_constant")
            self.network.graph.initializer.append(from_array(value, names[-1]))
        return names
