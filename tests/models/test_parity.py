from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="parity of exports needs the extra voxome[train]")

from onnx import TensorProto, helper  # noqa: E402
from onnx.numpy_helper import from_array  # noqa: E402

from voxome.errors import CorruptData, InvalidInput  # noqa: E402
from voxome.models.parity import check_parity, require_deterministic  # noqa: E402


def save(path: Path, *nodes: Any) -> Path:
    values = [from_array(np.array(value, dtype), name) for name, value, dtype in CONSTANTS]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("in", "out")]
    graph = helper.make_graph(list(nodes), "net", info[:1], info[1:], values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


CONSTANTS = (("one", [1.0], np.float32), ("rate", 0.5, np.float32), ("on", True, bool))


def test_equal_results_pass_and_others_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", helper.make_node("Sigmoid", ["in"], ["out"]))
    given = np.random.default_rng(0).normal(size=(2, 1, 4, 5, 6)).astype(np.float32)
    expected = (1 / (1 + np.exp(-given))).astype(np.float32)
    check_parity(path, [(given, expected)])
    other = expected.copy()
    other[0, 0, 0, 0, 0] += 0.01
    for wrong, message in ((other, "by up to 0.01"), (expected[:1], "has shape"), (expected[..., :-1], "has shape")):
        with pytest.raises(CorruptData, match=rf"input of shape \(2, 1, 4, 5, 6\).*{message}"):
            check_parity(path, [(given, expected), (given, wrong)])


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Dropout", ["in", "rate", "on"], ["out"]), "has dropout in training mode"),
        (
            helper.make_node("BatchNormalization", ["in", *["one"] * 4], ["out", "m", "v"], training_mode=1),
            "has batch normalisation in training mode",
        ),
        (
            helper.make_node("InstanceNormalization", ["in", "one", "one"], ["out"]),
            "whose statistics are those of a tile",
        ),
    ],
)
def test_networks_whose_output_is_random_or_depends_on_the_tile_are_refused(
    node: Any, message: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "net.onnx", node)
    with pytest.raises(InvalidInput, match=message):
        require_deterministic(path)
    require_deterministic(save(tmp_path / "net.onnx", helper.make_node("Sigmoid", ["in"], ["out"])))
