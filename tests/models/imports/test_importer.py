from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the import of networks needs the extra voxome[train]")

from models.imports.descriptions import described  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from onnx.numpy_helper import from_array  # noqa: E402
from scipy import ndimage, special  # noqa: E402

from voxome.errors import InvalidInput, NotFound, UnsupportedFormat  # noqa: E402
from voxome.geometry.box import Box  # noqa: E402
from voxome.models.cards import load  # noqa: E402
from voxome.models.imports.importer import import_model  # noqa: E402
from voxome.models.infer import predict  # noqa: E402

KERNEL = np.random.default_rng(0).normal(size=(3, 5, 5)).astype(np.float32) / 8
RAW = np.random.default_rng(1).integers(0, 255, (18, 20, 22)).astype(np.uint8)


def network(
    path: Path, kernel: np.ndarray = KERNEL, kinds: tuple[str, ...] = ("Sigmoid",), inputs: int = 1, **options: Any
) -> Path:
    """Write a convolution, and nodes without weights after it, as ONNX."""
    axes = [f"a{axis}" for axis in range(kernel.ndim)]
    nodes = [helper.make_node("Conv", ["in", "w"], ["r0"], **options)]
    nodes += [helper.make_node(kind, [f"r{k}"], [f"r{k + 1}"]) for k, kind in enumerate(kinds)]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, *axes]) for name in ("in", "other")[:inputs]],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["n", 1, *(f"{a}_out" for a in axes)])],
        [from_array(kernel[None, None], "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def expected(kernel: np.ndarray) -> np.ndarray:
    """Result of the convolution on RAW, mirrored at its faces."""
    grey = (RAW.astype(np.float64) - 128) / 40
    kernel = kernel if kernel.ndim == 3 else kernel[None]
    return 255 * special.expit(ndimage.correlate(grey, kernel.astype(np.float64), mode="mirror"))


def predicted(card: Path) -> np.ndarray:
    domain = Box.of_shape(RAW.shape)
    return predict(RAW, domain, domain, domain, load(card), mean=128, std=40)[0]


def test_a_network_of_volumes(tmp_path: Path) -> None:
    model = import_model(network(tmp_path / "net.onnx"), described(), tmp_path / "out")
    assert model.card.norm == "none"
    assert model.card.training == "imported from net.onnx"
    assert np.abs(predicted(tmp_path / "out" / "small.json") - expected(KERNEL)).max() <= 1


@pytest.mark.parametrize("padded", [False, True])
def test_a_network_of_sections(padded: bool, tmp_path: Path) -> None:
    kernel = KERNEL[0]
    pads = {"pads": [2, 2, 2, 2]} if padded else {}
    config = described(dimensions=2, context=(0, 2, 2), padded=padded)
    import_model(network(tmp_path / "net.onnx", kernel, **pads), config, tmp_path / "out")
    assert np.abs(predicted(tmp_path / "out" / "small.json") - expected(kernel)).max() <= 1


def test_padding_is_cut_off(tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx", pads=[1, 2, 2, 1, 2, 2])
    with pytest.raises(InvalidInput, match="or set padded=true for one that pads its input"):
        import_model(source, described(), tmp_path / "out")
    import_model(source, described(padded=True), tmp_path / "out")
    assert np.abs(predicted(tmp_path / "out" / "small.json") - expected(KERNEL)).max() <= 1


def test_an_activation_is_added(tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx", kinds=())
    with pytest.raises(InvalidInput, match="no probabilities: set activation to sigmoid or softmax"):
        import_model(source, described(), tmp_path / "out")
    import_model(source, described(activation="sigmoid"), tmp_path / "out")
    assert np.abs(predicted(tmp_path / "out" / "small.json") - expected(KERNEL)).max() <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": (1, 2, 3)}, r"returns \(1, 1, 4, 4, 6\); expected \(1, 1, 4, 4, 4\)"),
        ({"context": (1, 1, 1), "padded": True}, "expected"),
        ({"channels": ["cell", "vessel"]}, "mend context, stride or channels"),
        ({"dimensions": 2, "context": (0, 2, 2)}, "has 5 axes; expected 4"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        import_model(network(tmp_path / "net.onnx"), described(**change), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_context_that_is_too_small_is_noticed(tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx", pads=[1, 2, 2, 1, 2, 2])
    with pytest.raises(InvalidInput, match="Voxels beyond the context of 1 along y"):
        import_model(source, described(padded=True, context=(1, 1, 2)), tmp_path / "out")


def test_a_network_that_does_not_run_is_one_sentence_and_no_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = network(tmp_path / "net.onnx", np.zeros((99, 5, 5), np.float32))
    with pytest.raises(InvalidInput, match="cannot be run on an input") as raised:
        import_model(path, described(), tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""
    assert not (tmp_path / "out").exists()


def test_statistics_of_tiles_are_refused(tmp_path: Path) -> None:
    graph_path = network(tmp_path / "net.onnx")
    model = onnx.load(graph_path)
    del model.graph.node[:]
    model.graph.initializer.extend([from_array(np.ones(1, np.float32), "s"), from_array(np.zeros(1, np.float32), "b")])
    model.graph.node.extend(
        [
            helper.make_node("Conv", ["in", "w"], ["c"]),
            helper.make_node("InstanceNormalization", ["c", "s", "b"], ["i"]),
            helper.make_node("Sigmoid", ["i"], ["r1"]),
        ]
    )
    onnx.save(model, graph_path)
    with pytest.raises(InvalidInput, match="has InstanceNormalization, whose statistics are those of a tile"):
        import_model(graph_path, described(), tmp_path / "out")


def test_of_several_outputs_none_is_chosen(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("r0", TensorProto.FLOAT, ["n", 1, "a", "b", "c"]))
    onnx.save(model, path)
    own = model.graph.output[0].name
    with pytest.raises(InvalidInput, match=f"has 2 outputs; set output to .*: {own}, r0"):
        import_model(path, described(), tmp_path / "out")
    with pytest.raises(InvalidInput, match="has no output other; set output"):
        import_model(path, described(output="other"), tmp_path / "out")
    chosen = onnx.load(import_model(path, described(output=own), tmp_path / "out").path)
    assert len(chosen.graph.output) == 1


def with_weights_outside(path: Path, location: str) -> Path:
    changed = onnx.load(network(path))
    (tensor,) = changed.graph.initializer
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    path.write_bytes(changed.SerializeToString())
    return path


def test_weights_in_another_file(tmp_path: Path) -> None:
    inside = import_model(network(tmp_path / "a.onnx"), described(), tmp_path / "inside")
    (tmp_path / "a.bin").write_bytes(KERNEL.tobytes())
    outside = import_model(with_weights_outside(tmp_path / "a.onnx", "a.bin"), described(), tmp_path / "outside")
    (first,), (second,) = (onnx.load(one.path).graph.initializer for one in (inside, outside))
    assert first.raw_data == second.raw_data
    for location in ("../a.bin", str(tmp_path / "a.bin"), "b.bin"):
        with pytest.raises(UnsupportedFormat, match="is not an ONNX file"):
            import_model(with_weights_outside(tmp_path / "a.onnx", location), described(), tmp_path / "out")


@pytest.mark.parametrize("large", ["a.onnx", "a.bin"])
def test_networks_that_are_too_large_are_refused_before_they_are_read(large: str, tmp_path: Path) -> None:
    path = with_weights_outside(tmp_path / "a.onnx", "a.bin")
    with (tmp_path / large).open("ab") as file:
        file.truncate(2**31)
    with pytest.raises(
        UnsupportedFormat, match=r"a\.onnx has 2,147,48.,... bytes with its weights; a network of at most"
    ):
        import_model(path, described(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"lost\.onnx"):
        import_model(tmp_path / "lost.onnx", described(), tmp_path / "out")
    for name, message in (("net.txt", "expected .onnx, .pt"), ("net.onnx", "is not an ONNX file")):
        (tmp_path / name).write_text("no network")
        with pytest.raises(UnsupportedFormat, match=message):
            import_model(tmp_path / name, described(), tmp_path / "out")
    with pytest.raises(InvalidInput, match="has 2 inputs"):
        import_model(network(tmp_path / "two.onnx", inputs=2), described(), tmp_path / "out")


def test_descriptions_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="context 0 and stride 1 along z"):
        described(dimensions=2)
    with pytest.raises(ValueError, match="patches are those of a network of 2 dimensions"):
        described(layout="patches")
