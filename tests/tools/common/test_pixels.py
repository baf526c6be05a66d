"""Pixel classification: trained on sparse labels, the same for any blocks, dtype, and border without data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.blockwise import as_file, frame_of, run_blocks

import voxome
from voxome.cli.main import main
from voxome.contracts.spec import VolumeKind
from voxome.errors import CorruptData, InvalidInput, PlanError, UnknownName, UnsupportedFormat
from voxome.models.cards import FOLDER
from voxome.models.cards import load as load_model
from voxome.models.infer import predict
from voxome.models.pixels.config import LabelledImage, PixelTraining
from voxome.models.pixels.train import train_pixels
from voxome.tools.common.mixture import mixture
from voxome.tools.common.pixels import pixels
from voxome.tools.common.statistics import HISTOGRAM, moments, statistics
from voxome.workflow.invariance import check_invariance

pytestmark = pytest.mark.slow

VOXEL_NM = (1000.0, 1000.0, 1000.0)
SHAPE = (40, 44, 48)
CLASSES = {"cells": 1, "ground": 2}


def balls(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a volume with dark balls, and where they are."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(shape, bool)
    grid = np.indices(shape)
    for _ in range(8):
        centre = np.array([rng.uniform(0, n) for n in shape])
        inside |= ((grid - centre[:, None, None, None]) ** 2).sum(axis=0) < 36
    grey = np.where(inside, 93, 157) + rng.normal(0, 20, shape)
    return grey.clip(0, 255).astype(np.uint8), inside


def sparse_labels(inside: NDArray[np.bool_], count: int = 400, seed: int = 1) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    labels = np.zeros(inside.shape, np.uint8)
    for value, where in ((1, inside), (2, ~inside)):
        labels.flat[rng.choice(np.flatnonzero(where), count, replace=False)] = value
    return labels


def save(path: Path, array: NDArray[Any], kind: VolumeKind = "image", voxel_size_nm: Any = VOXEL_NM) -> str:
    uri = f"zarr://{path}"
    spec = voxome.VolumeSpec.of(array.shape, array.dtype, kind=kind, voxel_size_nm=voxel_size_nm)
    volume = voxome.create(uri, spec)
    volume[...] = array
    return uri


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forest")
    grey, inside = balls()
    data = LabelledImage(
        raw=save(folder / "raw.zarr", grey), labels=save(folder / "labels.zarr", sparse_labels(inside), "labels")
    )
    config = PixelTraining(name="demo", classes=CLASSES, data=(data,), sigmas_um=(1.0, 2.0), trees=20)
    return train_pixels(config, folder / "out")


def classify(image: NDArray[Any], block: tuple[int, int, int], **options: Any) -> NDArray[np.uint8]:
    volumes = {"image": image, **{name: options.pop(name) for name in ("tissue",) if name in options}}
    result = run_blocks(pixels, volumes, block, frame_of(image.shape), **options)
    return np.asarray(result["probability"])


def test_a_forest_trained_on_sparse_labels_finds_cells_in_another_volume(trained: Path) -> None:
    grey, inside = balls(seed=7)
    found = classify(grey, SHAPE, classifier=str(trained), class_name="cells")
    assert ((found > 127) == inside).mean() > 0.97
    ground = classify(grey, SHAPE, classifier=str(trained), class_name="ground")
    assert np.abs(found.astype(int) + ground - 255).max() <= 1


def test_blocks_do_not_show(trained: Path) -> None:
    grey, _ = balls(seed=7)
    options = {"classifier": str(trained), "class_name": "cells"}
    whole = classify(grey, SHAPE, **options)
    for edge in (16, 33, 64):
        np.testing.assert_array_equal(classify(grey, (edge,) * 3, **options), whole)


def test_runs_by_the_block_runner_do_not_depend_on_blocks(trained: Path, tmp_path: Path) -> None:
    image = save(tmp_path / "raw.zarr", balls(seed=3)[0])
    report = check_invariance("common.pixels", {"image": image, "classifier": str(trained), "class_name": "cells"})
    assert not report.differences, report


def test_one_and_two_workers_write_the_same(trained: Path, tmp_path: Path) -> None:
    image = save(tmp_path / "raw.zarr", balls(seed=3)[0])
    found = []
    for workers in (1, 2):
        out = voxome.tool(
            "common.pixels",
            inputs={"image": image, "classifier": str(trained), "class_name": "cells"},
            out=tmp_path / f"out{workers}",
            block=(20, 22, 24),
            workers=workers,
        )
        found.append(voxome.open(out["probability"].uri, expect=voxome.Volume)[...])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_the_dtype_does_not_matter(trained: Path, dtype: str) -> None:
    grey, _ = balls(seed=7)
    options = {"classifier": str(trained), "class_name": "cells"}
    whole = classify(grey, SHAPE, **options)
    np.testing.assert_array_equal(classify(grey.astype(dtype), SHAPE, **options), whole)


@pytest.mark.parametrize("width", [3, 25])
def test_a_border_without_data_changes_no_voxel(trained: Path, width: int) -> None:
    grey, _ = balls(seed=7)
    options = {"classifier": str(trained), "class_name": "cells"}
    whole = classify(grey, SHAPE, **options)
    padded, tissue = np.pad(grey, width), np.pad(np.ones(SHAPE, np.uint8), width)
    nan = np.pad(grey.astype(np.float32), width, constant_values=np.nan)
    for image, more in ((padded, {"tissue": tissue}), (nan, {})):
        found = classify(image, (33, 30, 50), **options, **more)
        assert not found[tissue == 0].any()
        np.testing.assert_array_equal(found[tuple(slice(width, -width) for _ in range(3))], whole)


def test_a_block_without_data_is_background(trained: Path) -> None:
    nothing = np.zeros(SHAPE, np.uint8)
    found = classify(nothing, (20, 22, 24), classifier=str(trained), class_name="cells", tissue=nothing)
    assert not found.any()


def test_training_twice_gives_the_same_files(trained: Path, tmp_path: Path) -> None:
    card = json.loads(trained.read_text())
    data = LabelledImage(raw=card["data"].split()[0], labels=card["data"].split()[0].replace("raw", "labels"))
    config = PixelTraining(name="demo", classes=CLASSES, data=(data,), sigmas_um=(2.0, 1.0), trees=20)
    again = train_pixels(config, tmp_path)
    assert json.loads(again.read_text()) == card


def test_problems_with_an_image_are_found_before_work(trained: Path, tmp_path: Path) -> None:
    image = save(tmp_path / "raw.zarr", balls()[0].astype(np.uint16), voxel_size_nm=(1000.0, 1000.0, 2000.0))
    inputs = {"image": image, "classifier": str(trained), "class_name": "cell"}
    with pytest.raises(PlanError) as error:
        voxome.tool("common.pixels", inputs=inputs, out=tmp_path / "out")
    text = str(error.value)
    assert "did you mean 'cells'" in text
    assert "trained on uint8" in text
    assert "trained on 1000,1000,1000 nm" in text


def test_another_range_of_grey_values_is_named_before_work(trained: Path, tmp_path: Path) -> None:
    examine = pixels.spec.examine
    assert examine is not None
    image, _ = balls(3)
    assert not list(examine("image", [image], {"classifier": str(trained)}))
    assert not list(examine("image", [image // 9], {"classifier": None}))
    (problem,) = examine("image", [image // 9], {"classifier": str(trained)})
    assert "but the training data of demo.json had them from" in problem


def test_files_that_are_no_classifiers_are_refused(trained: Path, tmp_path: Path) -> None:
    grey = balls()[0]
    card = json.loads(trained.read_text())
    for name, content, error in (
        ("text", "no", CorruptData),
        ("list", "[]", CorruptData),
        ("other", json.dumps({"voxome": "plan", "format_version": 1}), UnsupportedFormat),
        ("kind", json.dumps({**card, "kind": "magic"}), UnknownName),
        ("extra", json.dumps({**card, "secret": 1}), CorruptData),
        ("file", json.dumps({**card, "file": "none.npz"}), FileNotFoundError),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(content)
        with pytest.raises(error):
            classify(grey, SHAPE, classifier=str(path), class_name="cells")
    with pytest.raises(InvalidInput, match=r"common\.mixture"):
        classify(grey, SHAPE, class_name="cells")


def test_trees_that_lead_nowhere_are_refused(trained: Path, tmp_path: Path) -> None:
    import hashlib

    card = json.loads(trained.read_text())
    with np.load(trained.with_suffix(".npz")) as arrays:
        parts = dict(arrays)
    parts["left"] = np.where(parts["left"] > 5, 0, parts["left"])
    np.savez(tmp_path / "demo.npz", **parts)
    card["sha256"] = hashlib.sha256((tmp_path / "demo.npz").read_bytes()).hexdigest()
    (tmp_path / "demo.json").write_text(json.dumps(card))
    with pytest.raises(CorruptData, match="do not fit"):
        classify(balls()[0], SHAPE, classifier=str(tmp_path / "demo.json"), class_name="cells")


def fit(folder: Path, image: NDArray[Any], tissue: NDArray[np.uint8] | None = None, components: int = 2) -> Path:
    histogram = as_file(folder / "histogram.parquet", statistics(image, tissue), HISTOGRAM.columns)
    path = folder / "mixture.json"
    path.write_bytes(mixture(histogram, components=components))
    return path


def test_a_mixture_tells_dark_from_bright(tmp_path: Path) -> None:
    grey, inside = balls()
    path = str(fit(tmp_path, grey))
    dark = classify(grey, (16, 16, 16), classifier=path, class_name="darkest")
    assert ((dark > 127) == inside).mean() > 0.93
    np.testing.assert_array_equal(dark, classify(grey, SHAPE, classifier=path, class_name="0"))
    bright = classify(grey, SHAPE, classifier=path, class_name="brightest")
    assert np.abs(dark.astype(int) + bright - 255).max() <= 1


def test_a_mixture_is_that_of_the_tissue_alone(tmp_path: Path) -> None:
    grey, _ = balls()
    padded, tissue = np.pad(grey, 30), np.pad(np.ones(SHAPE, np.uint8), 30)
    alone = fit(tmp_path, grey).read_bytes()
    assert fit(tmp_path, padded, tissue).read_bytes() == alone
    assert fit(tmp_path, grey.astype(np.uint16)).read_bytes() == alone


def test_a_section_has_a_mixture_too(tmp_path: Path) -> None:
    grey, inside = balls()
    z = int(inside.sum(axis=(1, 2)).argmax())
    dark = classify(grey[z : z + 1], (1, 20, 20), classifier=str(fit(tmp_path, grey[z : z + 1])), class_name="darkest")
    assert ((dark > 127) == inside[z]).mean() > 0.9


def test_a_constant_volume_has_no_mixture(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="constant"):
        fit(tmp_path, np.full(SHAPE, 7, np.uint8))


def test_nothing_is_fitted_if_there_is_another_classifier(tmp_path: Path) -> None:
    histogram = as_file(tmp_path / "histogram.parquet", statistics(np.full(SHAPE, 7, np.uint8)), HISTOGRAM.columns)
    assert json.loads(mixture(histogram, classifier="cells.json")) == {}


def test_labels_of_no_class_and_classes_without_labels_are_refused(tmp_path: Path) -> None:
    grey, inside = balls()
    image = save(tmp_path / "raw.zarr", grey)
    labels = sparse_labels(inside)
    for change, message in ((9, "values 9"), (0, "labelled ground")):
        changed = np.where(labels == 2, change, labels).astype(np.uint8)
        data = LabelledImage(raw=image, labels=save(tmp_path / f"labels{change}.zarr", changed, "labels"))
        with pytest.raises(InvalidInput, match=message):
            train_pixels(PixelTraining(classes=CLASSES, data=(data,), sigmas_um=(1.0,), trees=2), tmp_path / "out")


def test_a_workflow_takes_a_mixture_or_any_classifier(trained: Path, tmp_path: Path) -> None:
    grey, inside = balls(seed=5)
    image = save(tmp_path / "raw.zarr", grey)
    pipeline = Path(__file__).parents[3] / "pipelines" / "common" / "pixels.cwl"
    chosen = {"classifier": str(trained), "class_name": "cells"}
    right = []
    for name, more in (("mixture", {}), ("forest", chosen)):
        voxome.run(pipeline, inputs={"raw": image, **more}, out=tmp_path / name)
        found = voxome.open(tmp_path / name / "probability.zarr", expect=voxome.Volume)[...]
        right.append(((found > 127) == inside).mean())
    fitted = [json.loads((tmp_path / name / "mixture.json").read_text("utf-8")) for name in ("mixture", "forest")]
    assert fitted[0]
    assert not fitted[1]
    assert right[1] > 0.97
    assert right[1] > right[0] > 0.9


def test_a_network_gives_the_channel_that_is_named(tmp_path: Path) -> None:
    grey, _ = balls()
    model = load_model(FOLDER / "membranes.json")
    histogram = as_file(tmp_path / "histogram.parquet", statistics(grey), HISTOGRAM.columns)
    options = {"classifier": str(FOLDER / "membranes.json"), "class_name": model.card.channels[1]}
    found = classify(grey, SHAPE, histogram=histogram, **options)
    mean, std = moments(histogram.read())
    domain = frame_of(SHAPE).domain
    expected = predict(grey, domain, domain, domain, model, mean=mean, std=std)[1]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(classify(grey, (20, 30, 30), histogram=histogram, **options), expected)
    with pytest.raises(InvalidInput, match=r"common\.statistics"):
        classify(grey, SHAPE, **options)


def test_the_command_trains_and_tells_what_it_would_train(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_command(*arguments: str) -> tuple[str, str]:
        with pytest.raises(SystemExit):
            main(list(arguments))
        out, err = capsys.readouterr()
        return out, err

    image = json.loads(trained.read_text())["data"]
    config = tmp_path / "cells.toml"
    config.write_text(
        f"""
        name = "demo"
        classes = {{cells = 1, ground = 2}}
        data = [{{raw = "{image}", labels = "{image.replace("raw", "labels")}"}}]
        trees = 20
        """
    )
    command = ["train", "pixels", str(config), "--set", "sigmas_um=[1.0, 2.0]", "--json"]
    planned = json.loads(run_command(*command, "--plan")[0])
    assert planned["labelled_voxels"] == "400 cells, 400 ground"
    assert planned["reach_voxels"] == "12, 12, 12"
    written = json.loads(run_command(*command, "--out", str(tmp_path / "out"))[0])
    assert written["finished"]
    assert Path(written["card"]).with_suffix(".npz").read_bytes() == trained.with_suffix(".npz").read_bytes()
    assert "sigmas_um" in run_command("train", "pixels", str(config), "--plan")[1]


def test_points_and_an_ilastik_project_train_the_same_forest_as_labels(trained: Path, tmp_path: Path) -> None:
    card = json.loads(trained.read_text())
    image, labels = card["data"], voxome.open(card["data"].replace("raw", "labels"), expect=voxome.Volume)[...]
    found = np.argwhere(labels)
    rows = [f"{1000 * z},{1000 * y},{1000 * x},{labels[z, y, x]}" for z, y, x in found]
    (tmp_path / "points.csv").write_text("\n".join(["z_nm,y_nm,x_nm,class", *rows]) + "\n")
    with h5py.File(tmp_path / "cells.ilp", "w") as file:
        file["Input Data/infos/lane0000/Raw Data/axisorder"] = b"xyz"
        file["PixelClassification/LabelNames"] = np.array([b"cells", b"ground"])
        file["PixelClassification/LabelSets/labels000/block0000"] = labels.T
        block = file["PixelClassification/LabelSets/labels000/block0000"]
        block.attrs["blockSlice"] = f"[0:{SHAPE[2]},0:{SHAPE[1]},0:{SHAPE[0]}]".encode()
    settings: dict[str, Any] = {"name": "demo", "sigmas_um": (1.0, 2.0), "trees": 20}
    points = LabelledImage(raw=image, points=str(tmp_path / "points.csv"))
    lane = LabelledImage(raw=image, lane=0)
    train_pixels(PixelTraining(data=(points,), classes=CLASSES, **settings), tmp_path / "points")
    train_pixels(PixelTraining(data=(lane,), project=str(tmp_path / "cells.ilp"), **settings), tmp_path / "project")
    for other in ("points", "project"):
        assert (tmp_path / other / "demo.npz").read_bytes() == trained.with_suffix(".npz").read_bytes()


def test_dense_labels_have_a_class_at_zero(tmp_path: Path) -> None:
    grey, inside = balls()
    image = save(tmp_path / "raw.zarr", grey)
    labels = save(tmp_path / "mask.zarr", inside.astype(np.uint8), "labels")
    sparse = LabelledImage(raw=image, labels=labels)
    settings: dict[str, Any] = {"classes": {"cells": 1, "ground": 0}, "sigmas_um": (1.0,), "trees": 5}
    with pytest.raises(ValueError, match="dense"):
        PixelTraining(data=(sparse,), **settings)
    dense = sparse.model_copy(update={"kind": "dense"})
    card = train_pixels(PixelTraining(data=(dense,), labels_per_class=500, **settings), tmp_path / "out")
    found = classify(grey, SHAPE, classifier=str(card), class_name="cells")
    assert ((found > 127) == inside).mean() > 0.95
    assert json.loads(card.read_text())["scores"]["training voxels"] == {"cells": 500, "ground": 500}


def test_validation_keeps_its_distance(tmp_path: Path) -> None:
    grey, inside = balls()
    image = save(tmp_path / "raw.zarr", grey)
    labels = save(tmp_path / "labels.zarr", sparse_labels(inside, 2000), "labels")

    def train(first: str, second: str, image: str = image) -> Path:
        parts = [LabelledImage(raw=image, labels=labels, box=box) for box in (first, second)]
        return train_pixels(
            PixelTraining(classes=CLASSES, data=parts[:1], validation=parts[1:], sigmas_um=(1.0,), trees=5),
            tmp_path / "out",
        )

    with pytest.raises(InvalidInput, match="too close"):
        train("0:40,0:44,0:16", "0:40,0:44,20:48")
    before = train("0:40,0:44,0:16", "0:40,0:44,32:48")
    scores = json.loads(before.read_text())["scores"]["validation"]
    assert scores["AUC cells"] > 0.9
    assert scores["voxels"] > 100
    with np.load(before.with_suffix(".npz")) as arrays:
        trees = dict(arrays)
    grey[:, :, 32:] = grey[:, :, :16]  # keeps the range of grey values, but not what is labelled
    painted = train("0:40,0:44,0:16", "0:40,0:44,32:48", save(tmp_path / "painted.zarr", grey))
    assert json.loads(painted.read_text())["scores"]["validation"]["AUC cells"] < 0.7
    with np.load(painted.with_suffix(".npz")) as arrays:
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, trees[name])
