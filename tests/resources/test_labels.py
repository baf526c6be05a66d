"""Volumes that are labels, for every service alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput
from voxome.resources.volume_like import as_volume

LABELS = np.zeros((6, 6, 6), np.uint16)
LABELS[1:5, 1:5, 1:5] = 7
SERVICES: dict[str, Callable[[Any], Any]] = {
    "mesh": lambda labels: voxome.mesh(labels, 7),
    "meshes": lambda labels: voxome.meshes(labels)[7],
    "skeleton": lambda labels: voxome.skeleton(labels, 7),
    "skeletons": lambda labels: voxome.skeletons(labels, [7])[7],
    "ids": voxome.ids,
    "bounding_box": lambda labels: voxome.bounding_box(labels, 7),
    "regions": voxome.regions,
    "contacts": voxome.contacts,
}


@pytest.mark.parametrize("service", SERVICES)
def test_integers_of_two_bytes_without_a_kind_are_labels_for_every_service(service: str, tmp_path: Path) -> None:
    voxome.put(LABELS, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=(40, 40, 40))
    assert SERVICES[service](f"{tmp_path}/labels.zarr") is not None


@pytest.mark.parametrize("service", SERVICES)
def test_bytes_without_a_kind_are_an_image_for_every_service(service: str, tmp_path: Path) -> None:
    voxome.put(LABELS.astype(np.uint8), f"zarr://{tmp_path}/image.zarr", voxel_size_nm=(40, 40, 40))
    with pytest.raises(InvalidInput, match="is image data of uint8; expected a label volume"):
        SERVICES[service](f"{tmp_path}/image.zarr")


@pytest.mark.parametrize("service", ["mesh", "skeleton", "regions", "contacts"])
def test_a_mask_is_refused_with_what_makes_labels_of_it(service: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected integer labels .*\.astype\('uint8'\)"):
        SERVICES[service](as_volume(LABELS > 0, voxel_size_nm=(40, 40, 40)))
