from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from models.train.networks.examples import balls, config_of, partition  # noqa: E402
from models.train.volumes import SPELLINGS, save, spell  # noqa: E402

import voxome  # noqa: E402
from voxome.errors import InvalidInput, PlanError  # noqa: E402
from voxome.geometry.box import Box  # noqa: E402
from voxome.models.cards import load  # noqa: E402
from voxome.models.infer import predict  # noqa: E402
from voxome.models.train.networks.tasks import AFFINITIES, CELLS, NUCLEI  # noqa: E402
from voxome.models.train.task import Call, find_task  # noqa: E402

pytestmark = pytest.mark.slow

NAMES = ("affinities", "cells", "mitochondria", "nuclei", "synapses", "vessels")


def truth(folder: Path, shape: tuple[int, int, int] = (24, 24, 24), **more: Any) -> dict[str, Any]:
    raw, labels = balls(shape)
    return {"raw": save(folder, "raw", raw, **more), "labels": save(folder, "labels", labels, "labels", **more)}


@pytest.mark.parametrize("name", NAMES)
def test_every_task_trains_a_model_that_predicts(name: str, tmp_path: Path) -> None:
    task, data = find_task(name), truth(tmp_path)
    config = config_of([data], card={"name": "tiny", "licence": "CC0"}, steps=2)
    result = task.train(config, Call(tmp_path / "out", command="voxome train"))
    model = load(result.card)
    assert result.finished
    assert model.card.task == name
    assert model.card.licence == "CC0"
    assert model.card.reproducible
    assert model.card.voxel_size_nm == (8, 8, 8)
    domain = Box.of_shape((20, 18, 16))
    raw = voxome.open(data["raw"])[:20, :18, :16]
    found = predict(raw, domain, domain, domain, model, mean=128, std=40)
    assert found.shape == (len(model.card.channels), *domain.shape)


def test_a_network_learns_and_its_card_has_the_scores(tmp_path: Path) -> None:
    raw, labels = balls((64, 32, 32))
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", labels, "labels")}
    config = config_of(
        [data | {"box": "0:32,0:32,0:32"}],
        [data | {"box": "43:64,0:32,0:32"}],
        augmentation={"reach": 0, "damaged": 0, "warped": 0},
        network={"widths": (4, 4, 4, 4), "units": 0},
        patch=(16, 16, 16),
        steps=80,
        validate_steps=40,
        class_balance="inverse",
        learning_rate=1e-2,
        ema=0.9,
    )
    result = CELLS.train(config, Call(tmp_path / "out"))
    scores = load(result.card).card.scores["validation"]
    assert scores["cell f1"] > 0.6
    assert set(scores) == {"loss", "cell precision", "cell recall", "cell f1"}


def test_a_model_is_trained_further(tmp_path: Path) -> None:
    raw, labels = balls((64, 24, 24))
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", labels, "labels")}
    first, second = [data | {"box": "0:24,0:24,0:24"}], [data | {"box": "43:64,0:24,0:24"}]
    config = config_of(first, second, steps=2, augmentation={"reach": 0})
    card = CELLS.train(config, Call(tmp_path / "first")).card
    for start in (str(card), str(tmp_path / "first" / "checkpoint.pt")):
        out = tmp_path / start[-2:]
        further = config.model_copy(update={"start": start, "seed": 2})
        scores = load(CELLS.train(further, Call(out)).card).card.scores
        assert scores["validation, before training"] == load(card).card.scores["validation"]
    nuclei = config.model_copy(update={"start": str(card)})
    with pytest.raises(InvalidInput, match=r"channels = 1, and this one .*, channels = 2: set"):
        NUCLEI.train(nuclei, Call(tmp_path / "nuclei"))
    result = NUCLEI.train(nuclei.model_copy(update={"new_head": True}), Call(tmp_path / "nuclei"))
    assert load(result.card).card.channels == ("nucleus", "boundary")


def test_the_form_of_a_start_must_fit(tmp_path: Path) -> None:
    config = config_of([truth(tmp_path)], start="membranes")
    with pytest.raises(InvalidInput, match=r"\[16, 32, 48, 72\], units = 3.* widths = \[2, 3, 3, 4\], units = 0"):
        AFFINITIES.train(config, Call(tmp_path / "out"))


def test_the_plan_counts_voxels_of_both_parts(tmp_path: Path) -> None:
    data = truth(tmp_path, (64, 24, 24))
    train = [data | {"box": "0:24,0:24,0:24"}]
    enough = config_of(train, [data | {"box": "39:60,0:24,0:24"}], augmentation={"reach": 4})
    facts = CELLS.plan(enough).facts
    assert facts["validation_voxels_in_patches"] == 0
    assert facts["gap"] == "15,15,15"
    assert not CELLS.plan(enough).problems
    less = config_of(train, [data | {"box": "38:60,0:24,0:24"}], augmentation={"reach": 4})
    plan = CELLS.plan(less)
    assert plan.facts["validation_voxels_in_patches"] == 24 * 24
    assert "Training would show 576 voxels of the validation part" in plan.problems[0]
    with pytest.raises(PlanError):
        CELLS.train(less, Call(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("place", "problem"),
    [({"size": (8, 8, 9)}, "has voxels of 8,8,9 nm, but"), ({"offset_nm": (0, 16, 0)}, r"add \?start=0,2,0 to")],
)
def test_labels_at_other_places_are_refused(place: dict[str, Any], problem: str, tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", labels, "labels", **place)}
    assert re.search(problem, "\n".join(CELLS.plan(config_of([data])).problems))


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_same_voxels_by_another_path_count_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = truth(tmp_path)
    other = data | {"raw": spell(name, tmp_path)}
    plan = CELLS.plan(config_of([data], [other]))
    assert plan.facts["validation_voxels_in_patches"] == 24**3
    assert ("same level and options" in plan.problems[0]) == name.endswith("/0")


def test_anisotropic_voxels_and_sections_have_flat_levels(tmp_path: Path) -> None:
    for size, context in (((8, 8, 8), 11), ((16, 8, 8), 4), ((40, 8, 8), 0)):
        folder = tmp_path / str(size[0])
        folder.mkdir()
        facts = CELLS.plan(config_of([truth(folder, size=size)])).facts
        assert facts["context"] == f"{context},11,11"
    flat = {"dimensions": 2, "widths": (2, 3, 3, 4), "units": 0}
    config = config_of([truth(tmp_path, (3, 40, 40))], network=flat, patch=(1, 16, 16), steps=2)
    model = load(AFFINITIES.train(config, Call(tmp_path / "out")).card)
    assert model.card.context == (0, 11, 11)
    assert all(offset[0] == 0 for offset in model.card.offsets)
    domain = Box.of_shape((1, 30, 30))
    found = predict(np.zeros(domain.shape, np.uint8), domain, domain, domain, model, mean=128, std=40)
    assert found.shape == (6, 1, 30, 30)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((40, 40, 40), np.float32), "dtype float32; expected integer labels"),
        (np.zeros((40, 40, 40), np.uint8), "is image data of uint8; expected a label volume"),
        (np.zeros((40, 40), np.uint64), "expected integer labels along z, y and x"),
    ],
)
def test_an_image_is_not_taken_for_labels(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.zeros((40, 40, 40), np.uint8))
    np.save(tmp_path / "labels.npy", labels)
    config = config_of([{"raw": f"npy://{tmp_path}/raw.npy", "labels": f"npy://{tmp_path}/labels.npy"}])
    with pytest.raises(InvalidInput, match=message):
        AFFINITIES.train(config, Call(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_a_mask_is_enough_for_objects(dtype: type, tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    np.save(tmp_path / "mask.npy", (labels > 0).astype(dtype))
    data = {"raw": save(tmp_path, "raw", raw), "labels": f"npy://{tmp_path}/mask.npy"}
    assert not CELLS.plan(config_of([data])).problems


def test_grey_values_are_not_taken_for_objects(tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    uris = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "mask", (labels > 0).astype(np.uint8))}
    assert CELLS.train(config_of([uris], steps=1), Call(tmp_path / "right")).finished
    with pytest.raises(InvalidInput, match=r"raw\.zarr looks like grey values, as only \d+% .* equal the next one"):
        CELLS.train(config_of([{"raw": uris["labels"], "labels": uris["raw"]}]), Call(tmp_path / "swapped"))


def test_objects_without_background_cannot_be_trained_on(tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "ones", np.ones_like(labels), "labels")}
    sparse = {**data, "kind": "sparse", "background": 2}
    for one in (data, sparse):
        with pytest.raises(InvalidInput, match="nothing shows what the background is"):
            CELLS.train(config_of([one]), Call(tmp_path / "out"))


def test_a_copy_of_the_training_data_does_not_validate(tmp_path: Path) -> None:
    data = truth(tmp_path)
    copy = data | {"raw": save(tmp_path, "copy", voxome.open(data["raw"])[...])}
    with pytest.raises(InvalidInput, match=r"copy\.zarr in .* has the same voxels as one to train on"):
        CELLS.train(config_of([data], [copy]), Call(tmp_path / "out"))


def test_labels_below_minus_1_are_refused(tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    wrong = np.where(labels > 0, -5, 0).astype(np.int32)
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", wrong, "labels")}
    with pytest.raises(InvalidInput, match="The labels have -5; expected at least 0, or -1"):
        CELLS.train(config_of([data]), Call(tmp_path / "out"))


def test_the_box_is_needed_where_image_and_labels_differ_along_two_axes(tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    data = {"raw": save(tmp_path, "raw", raw[:20]), "labels": save(tmp_path, "labels", labels[:, :20], "labels")}
    with pytest.raises(InvalidInput, match="neither has all voxels of the other; set box"):
        CELLS.plan(config_of([data]))
    assert not CELLS.plan(config_of([data | {"box": "0:20,0:20,0:24"}])).problems


def test_background_alone_cannot_be_trained_on(tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", 0 * labels, "labels")}
    with pytest.raises(InvalidInput, match="have no object, only background"):
        CELLS.train(config_of([data]), Call(tmp_path / "out"))


def test_affinities_need_examples_of_boundaries(tmp_path: Path) -> None:
    raw, labels = partition((24, 24, 24))
    labels[raw == 60] = 0
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", labels, "labels")}
    config = config_of([data], steps=1)
    with pytest.raises(InvalidInput, match=r"that are 1,0,0 or 0,1,0 or 0,0,1 apart are in different objects"):
        AFFINITIES.train(config, Call(tmp_path / "out"))
    (truth_,) = config.data
    bounded = config.model_copy(update={"data": (truth_.model_copy(update={"zero_is_boundary": True}),)})
    assert AFFINITIES.train(bounded, Call(tmp_path / "out")).finished
    assert "zero_is_boundary is for affinities" in CELLS.plan(bounded).problems[0]


def test_labels_are_not_taken_for_an_image(tmp_path: Path) -> None:
    labels = truth(tmp_path)["labels"]
    with pytest.raises(InvalidInput, match="is labels data of uint32; expected an image"):
        CELLS.plan(config_of([{"raw": labels, "labels": labels}]))


def test_what_cannot_be_trained_is_named_at_once(tmp_path: Path) -> None:
    raw, labels = partition((24, 24, 24))
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "raw16.npy", raw.astype(np.uint16))
    np.save(tmp_path / "labels.npy", labels)
    data = {"raw": f"npy://{tmp_path}/raw.npy", "labels": f"npy://{tmp_path}/labels.npy"}
    other = data | {"raw": f"npy://{tmp_path}/raw16.npy", "box": "0:3,0:24,0:24"}
    problems = AFFINITIES.plan(config_of([data, other], patch=(8, 8, 10))).problems
    assert [text for text in problems if "has no voxel size" in text]
    assert [text for text in problems if "is uint16, but" in text]
    assert [text for text in problems if "is too small for patches of 8,8,10 voxels" in text]
    assert [text for text in problems if "multiples of the stride 4,4,4" in text]
    sized = config_of([data], voxel_size_nm=(8, 8, 8))
    assert not AFFINITIES.plan(sized).problems


def test_a_device_that_torch_does_not_have_is_named(tmp_path: Path) -> None:
    data = truth(tmp_path)
    for device in ("cudda", "cuda:99", "meta"):
        (problem,) = CELLS.plan(config_of([data], device=device)).problems
        assert f"torch cannot use the device '{device}'" in problem


def test_labels_without_annotations_are_refused(tmp_path: Path) -> None:
    raw, labels = balls((24, 24, 24))
    data = {"raw": save(tmp_path, "raw", raw), "labels": save(tmp_path, "labels", 0 * labels, "labels")}
    with pytest.raises(InvalidInput, match="has no annotated voxel"):
        CELLS.train(config_of([data | {"kind": "sparse"}]), Call(tmp_path / "out"))


@pytest.mark.parametrize("norm", ["instance", "group", "batch"])
def test_norms_over_a_tile_are_refused(norm: str) -> None:
    with pytest.raises(ValueError, match=f"'{norm}' norm is not offered"):
        config_of([{"raw": "r", "labels": "l"}], network={"norm": norm})


def test_offsets_are_those_of_affinities(tmp_path: Path) -> None:
    data = truth(tmp_path)
    with pytest.raises(InvalidInput, match="the task 'cells' has none"):
        CELLS.plan(config_of([data], offsets=[[1, 0, 0]]))
    with pytest.raises(InvalidInput, match="numbers ≥ 0"):
        AFFINITIES.plan(config_of([data], offsets=[[-1, 0, 0]]))
    far = AFFINITIES.plan(config_of([data], offsets=[[1, 0, 0], [0, 0, 30]]))
    assert "offsets reach 1,0,30 voxels" in far.problems[0]
