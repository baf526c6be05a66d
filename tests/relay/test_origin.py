"""What is known of a source before it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.geometry import Box
from voxome.relay.origin import Origin


class Computed:
    """A source that is computed when it is read."""

    spec = voxome.VolumeSpec.of((1, 1, 1), "uint8")

    def read(self, box: Box) -> NDArray[Any]:
        return np.zeros(box.shape, "uint8")


@pytest.mark.parametrize(
    ("uri", "is_remote", "is_local"),
    [("zarr:///data/em.zarr", False, True), ("zarr://http://store.example/em", True, False),
     ("memory://em", False, True)],
)  # fmt: skip
def test_sources_behind_a_network_are_remote(uri: str, is_remote: bool, is_local: bool) -> None:
    origin = Origin(uri)
    assert (origin.is_remote, origin.is_local) == (is_remote, is_local)


def test_all_spellings_of_a_uri_have_one_identity(tmp_path: Path) -> None:
    assert len({Origin(f"zarr://{tmp_path}/{path}").identity for path in ("a.zarr", "./a.zarr", "b/../a.zarr")}) == 1


def test_each_object_has_an_identity_of_its_own_and_never_changes() -> None:
    one, other = Origin(Computed()), Origin(Computed())
    assert one.identity == one.identity != other.identity
    assert not one.may_change
