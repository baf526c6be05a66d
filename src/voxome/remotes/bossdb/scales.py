"""Voxel size and extent at every resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxome.contracts.levels import scale_between
from voxome.contracts.spec import Scale as Factor
from voxome.remotes.bossdb.records import CoordinateFrame, Experiment, Triple
from voxome.remotes.bossdb.service import Json, parsing

CUBOID = (16, 512, 512)
"""Voxels (z, y, x) that the Boss stores together, at every resolution, from index 0 on."""


@dataclass(frozen=True)
class Scale:
    """One resolution.

    Attributes
    ----------
    factor : (z, y, x)
        Voxels of resolution 0 along one of its voxels.
    stop : (z, y, x)
        One past its last index.
    voxel_size : (z, y, x)
        In the unit of the coordinate frame.
    cuboid : (z, y, x)
        Voxels that the server stores together, from index 0 on.
    """

    factor: Factor
    stop: tuple[int, int, int]
    voxel_size: Triple
    cuboid: tuple[int, int, int] = CUBOID


def factor_at(experiment: Experiment, resolution: int) -> Factor:
    """Return the voxels (z, y, x) of resolution 0 along one voxel of `resolution`."""
    half = 2**resolution
    return (half if experiment.hierarchy_method == "isotropic" else 1), half, half


def compute_scale(frame: CoordinateFrame, experiment: Experiment, resolution: int) -> Scale:
    """Return a resolution by the server's rule: extents are halved, rounded up; along z only if isotropic."""
    factor = factor_at(experiment, resolution)
    z, y, x = (-(-stop // f) for stop, f in zip(frame.box.stop, factor, strict=True))
    c, b, a = (size * f for size, f in zip(frame.voxel_size, factor, strict=True))
    return Scale(factor, (z, y, x), (c, b, a))


def scales_from_json(response: Json, name: str) -> dict[int, Scale]:
    """Return the resolutions in the server's response about downsampling, whose triples are x, y, z."""
    with parsing(f"the resolutions of {name}"):
        sizes = {int(key): _zyx(size) for key, size in response["voxel_size"].items()}
        stops = {int(key): _zyx(size) for key, size in response["extent"].items()}
        cuboids = {int(key): _zyx(size) for key, size in response.get("cuboid_size", {}).items()}
        return {
            resolution: Scale(factor, _whole(stops[resolution]), size, _whole(cuboids.get(resolution, CUBOID)))
            for resolution, size in sizes.items()
            if (factor := scale_between(size, sizes[0])) is not None
        }


def has_server_scales(frame: CoordinateFrame, experiment: Experiment) -> bool:
    """Return whether the server has more levels than the rule predicts; it fails for voxels with different x and y."""
    _, y, x = frame.voxel_size
    return experiment.levels > 1 and (y == x or experiment.hierarchy_method == "isotropic")


def all_scales(
    frame: CoordinateFrame, experiment: Experiment, base_resolution: int, known: Mapping[int, Scale]
) -> dict[int, Scale]:
    """Return every resolution of a channel: as `known` from the server, otherwise computed."""
    numbers = range(base_resolution, base_resolution + experiment.levels)
    return {number: known.get(number) or compute_scale(frame, experiment, number) for number in numbers}


def _zyx(xyz: Sequence[float]) -> Triple:
    x, y, z = (float(value) for value in xyz)
    return z, y, x


def _whole(zyx: Sequence[float]) -> tuple[int, int, int]:
    z, y, x = (int(value) for value in zyx)
    return z, y, x
