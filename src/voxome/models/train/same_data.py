"""Whether images to train on and to validate with are the same data."""

from __future__ import annotations

from dataclasses import replace

from voxome.resources.open import canonical
from voxome.resources.volume import Volume


def are_same_data(first: Volume, second: Volume) -> bool:
    """Return whether one volume is the other, or a level or view of it, however their addresses are written."""
    one, other = (f"{canonical(volume.uri).path}/" for volume in (first, second))
    return one.startswith(other) or other.startswith(one)


def have_same_voxels(first: Volume, second: Volume) -> bool:
    """Return whether one volume is the other, with the same level and options."""
    one, other = (replace(canonical(volume.uri), scheme="") for volume in (first, second))
    return one == other
