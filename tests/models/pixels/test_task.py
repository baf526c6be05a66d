from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.train.volumes import SPELLINGS, save, spell

from voxome.errors import InvalidInput
from voxome.models.pixels.config import LabelledImage, PixelTraining
from voxome.models.pixels.task import PIXELS
from voxome.models.train.task import Call


def config_of(raw: str, other: str, labels: str, box: str) -> PixelTraining:
    parts = [LabelledImage(raw=image, labels=labels, box=box) for image, box in ((raw, "0:20,0:20,0:8"), (other, box))]
    return PixelTraining(classes={"a": 1, "b": 2}, data=parts[:1], validation=parts[1:], sigmas_um=(0.3,))


@pytest.mark.parametrize("name", SPELLINGS)
def test_validation_on_the_same_data_by_another_path_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).integers(1, 3, (20, 20, 60)).astype(np.uint8)
    raw, labels = (
        save(tmp_path, name, values, kind, (1000, 1000, 1000))
        for name, kind in (("raw", "image"), ("labels", "labels"))
    )
    near = config_of(raw, spell(name, tmp_path), labels, "0:20,0:20,8:12")
    plan = PIXELS.plan(near)
    assert plan.facts["validation_within_reach"] == 20 * 20 * 4
    assert "too close" in plan.problems[-1]
    with pytest.raises(InvalidInput, match=r"too close|same level"):
        PIXELS.train(near, Call(tmp_path / "out"))
    far = PIXELS.plan(config_of(raw, raw, labels, "0:20,0:20,50:60"))
    assert far.facts["validation_within_reach"] == 0
    assert not far.problems


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ({"size": (1000, 1000, 1100)}, "has voxels of 1000,1000,1100 nm, but"),
        ({"offset_nm": (2000, 0, 0)}, r"add \?start=2,0,0"),
    ],
)
def test_labels_at_other_places_are_refused(place: dict[str, Any], problem: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(1, 3, (20, 20, 60)).astype(np.uint8)
    raw = save(tmp_path, "raw", values, "image", (1000, 1000, 1000))
    labels = save(tmp_path, "labels", values, "labels", **{"size": (1000, 1000, 1000), **place})
    assert re.search(problem, "\n".join(PIXELS.plan(config_of(raw, raw, labels, "0:20,0:20,50:60")).problems))


def test_the_box_is_needed_where_image_and_labels_differ_along_two_axes(tmp_path: Path) -> None:
    values = np.ones((20, 20, 60), np.uint8)
    raw, labels = save(tmp_path, "raw", values[:9]), save(tmp_path, "labels", values[:, :9], "labels")
    data = LabelledImage(raw=raw, labels=labels)
    plan = PIXELS.plan(PixelTraining(classes={"a": 1, "b": 2}, data=(data,), sigmas_um=(0.3,)))
    assert "neither has all voxels of the other; set box" in plan.problems[0]
