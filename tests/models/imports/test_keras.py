from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy import signal, stats

pytest.importorskip("onnx", reason="the import of networks needs the extra voxome[train]")

from models.imports.descriptions import described

from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry.box import Box
from voxome.models.cards import Model, load
from voxome.models.imports.importer import import_model
from voxome.models.infer import predict

RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.normal(size=(2, 1, 3, 3)).astype(np.float32), RNG.normal(size=2).astype(np.float32)
STATISTICS = [RNG.uniform(0.5, 2, 3).astype(np.float32) for _ in range(4)]
DENSE = [RNG.normal(size=(18, 2)).astype(np.float32), RNG.normal(size=2).astype(np.float32)]
LAYERS = [{"type": name} for name in ("convolution", "relu", "pool", "normalization", "flatten", "dense", "softmax")]
KERAS = {
    "backend": "theano",
    "layers": LAYERS,
    "statistics_axis": "x",
    "statistic": "std",
    "epsilon": 1e-3,
    "columns": [1],
}
"""A net of 9 x 9 patches: 7 x 7 after the convolution, 3 x 3 after the pool."""
SCALE = {"statistics": "fixed", "mean": 0, "std": 255}


def write(path: Path, kernel: np.ndarray = KERNEL, *, named: bool = False) -> Path:
    layers = [[kernel, BIAS], [], [], STATISTICS, [], DENSE, []]
    with h5py.File(path, "w") as file:
        if named:
            file.attrs["layer_names"] = [f"l{k}".encode() for k in range(len(layers))]
        else:
            file.attrs["nb_layers"] = len(layers)
        for number, weights in enumerate(layers):
            group = file.create_group(f"l{number}" if named else f"layer_{number}")
            names = [f"w{k}" if named else f"param_{k}" for k in range(len(weights))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            group.attrs["nb_params"] = len(weights)
            for name, value in zip(names, weights, strict=True):
                group[name] = value
    return path


def config(**more: Any) -> Any:
    facts: dict[str, Any] = {"dimensions": 2, "context": (0, 4, 4), "layout": "patches", "normalization": SCALE}
    return described(**{**facts, **more, "keras": KERAS | more.get("keras", {})})


def by_hand(patch: np.ndarray, axis: str = "x", statistic: str = "std", *, last: bool = False) -> float:
    """Probability of column 1 of a patch (9, 9), written without a library of networks."""
    mode = signal.correlate2d if last else signal.convolve2d
    maps = np.stack([mode(patch / 255, kernel[0], "valid") + b for kernel, b in zip(KERNEL, BIAS, strict=True)])
    maps = np.maximum(maps, 0)[:, :6, :6].reshape(2, 3, 2, 3, 2).max(axis=(2, 4))
    shape = {"x": (1, 1, 3), "y": (1, 3, 1)}[axis]
    gamma, beta, mean, stored = (one.reshape(shape) for one in STATISTICS)
    std = stored + 1e-3 if statistic == "std" else np.sqrt(stored + 1e-3)
    maps = (maps - mean) / std * gamma + beta
    flat = (maps.transpose(1, 2, 0) if last else maps).ravel()
    logits = flat @ DENSE[0] + DENSE[1]
    return float(np.exp(logits[1]) / np.exp(logits).sum())


def predict_middle(model: Model, raw: np.ndarray) -> float:
    domain, write_box = Box.of_shape(raw.shape), Box((0, 4, 4), (1, 5, 5))
    return predict(raw, domain, write_box, domain, model, mean=7, std=3)[0, 0, 0, 0] / 255


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("statistic", ["std", "variance"])
def test_a_network_of_theano(axis: str, statistic: str, named: bool, tmp_path: Path) -> None:
    source = write(tmp_path / "net.h5", named=named)
    changed = config(keras={"statistics_axis": axis, "statistic": statistic})
    model = import_model(source, changed, tmp_path)
    assert model.card.norm == "BatchNormalization"
    assert f"along {axis}, stored as {statistic}" in model.card.training
    raw = np.random.default_rng(2).integers(0, 255, (1, 9, 9)).astype(np.uint8)
    assert predict_middle(model, raw) == pytest.approx(by_hand(raw[0], axis, statistic), abs=0.003)


def test_a_network_of_tensorflow_has_channels_last(tmp_path: Path) -> None:
    source = write(tmp_path / "net.h5", KERNEL.transpose(2, 3, 1, 0))
    model = import_model(source, config(keras={"backend": "tensorflow"}), tmp_path)
    raw = np.random.default_rng(3).integers(0, 255, (1, 9, 9)).astype(np.uint8)
    assert predict_middle(model, raw) == pytest.approx(by_hand(raw[0], last=True), abs=0.003)


def test_all_tensors_and_layers_are_needed(tmp_path: Path) -> None:
    source = write(tmp_path / "net.h5")
    for layers in (LAYERS[:-1], [*LAYERS, {"type": "dense"}], [LAYERS[0], *LAYERS]):
        with pytest.raises(InvalidInput, match="every tensor of the file has to be that of a layer"):
            import_model(source, config(keras={"layers": layers}), tmp_path)


def test_what_the_file_does_not_say_is_needed(tmp_path: Path) -> None:
    source = write(tmp_path / "net.h5")
    with pytest.raises(InvalidInput, match=r"has weights only: set keras\.backend"):
        import_model(source, described(dimensions=2, context=(0, 4, 4), layout="patches"), tmp_path)
    with pytest.raises(InvalidInput, match="imported as networks of patches"):
        import_model(source, described(keras=KERAS), tmp_path)
    for name in ("statistics_axis", "statistic", "epsilon"):
        with pytest.raises(ValueError, match=f"set {name} too"):
            config(keras={name: None})


def test_other_sizes_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be run"):
        import_model(write(tmp_path / "net.h5"), config(context=(0, 5, 5)), tmp_path)
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    with pytest.raises(UnsupportedFormat, match="is not an HDF5 file"):
        import_model(tmp_path / "bad.h5", config(), tmp_path)


@pytest.mark.slow
def test_the_isbi_network_separates_membranes(shared: Path, tmp_path: Path) -> None:
    block = ("convolution", "relu", "pool", "normalization")
    names = (*block, *block, *block[:3], "flatten", "dense", "relu", "dense", "softmax")
    keras = KERAS | {"layers": [{"type": name} for name in names], "epsilon": 1e-6, "columns": [0]}
    source = shared / "data" / "weights" / "ndparse" / "isbi2012_weights_e025.h5"
    import_model(source, config(context=(0, 32, 32), keras=keras), tmp_path)
    model, folder = load(tmp_path / "small.json"), shared / "data" / "isbi2012" / "train"
    raw, labels = (
        np.stack([np.asarray(Image.open(folder / kind / f"{k:02d}.png")) for k in range(6)])
        for kind in ("image", "label")
    )
    domain, found, true = Box.of_shape(raw.shape), [], []
    for section in range(6):
        box = Box((section, 56 + 64 * section, 56), (section + 1, 57 + 64 * section, 456))
        read = box.grow(model.card.halo) & domain
        found.append(predict(raw[read.within(domain)], read, box, domain, model, mean=0, std=1).ravel())
        true.append(labels[box.within(domain)].ravel() == 0)
    membrane = np.concatenate(true)
    ranks, count = stats.rankdata(np.concatenate(found)), membrane.sum()
    auc = (ranks[membrane].sum() - count * (count + 1) / 2) / (count * (~membrane).sum())
    assert membrane.size == 2400
    assert auc >= 0.97
