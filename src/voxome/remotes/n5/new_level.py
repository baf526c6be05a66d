"""Entries for a new level in the attributes around it, in every flavour that its group uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.remotes.n5.groups import Group, attributes_of
from voxome.remotes.n5.metadata_flavours import level_number
from voxome.remotes.zarr.ome import compose
from voxome.storage.json_store import Json


@dataclass(frozen=True)
class NewLevel:
    """A level that is about to be added to a group.

    Attributes
    ----------
    path, finest : str
        Its array and that of level 0, relative to the group.
    number : int
        How many levels there are without it.
    scale : (z, y, x)
        Voxels of level 0 along one of its voxels.
    ratio, shift : mapping
        Axis → the voxels of level 0 along one of its voxels, and from the first of level 0 to its first centre.
    name : str
        Its URI, for messages.
    """

    path: str
    finest: str
    number: int
    scale: Scale
    ratio: Mapping[str, int]
    shift: Mapping[str, float]
    name: str

    def in_group(self, old: Json) -> Json:
        """Return the attributes `old` of the group with the level: COSEM, OME-NGFF, n5-viewer and Paintera.

        Raises
        ------
        UnsupportedFormat
            If they do not list the levels that exist, or in a way that is not understood.
        """
        new: Json = dict(old)
        for key in ("scales", "downsamplingFactors"):
            if key in old:
                new[key] = self._with_factors(old, key)
        if "multiScale" in old:
            new["multiScale"] = True
        if "multiscales" in old:
            new["multiscales"] = [self._with_dataset(one) for one in old["multiscales"]]
        if isinstance(old.get("ome"), Mapping) and "multiscales" in old["ome"]:
            new["ome"] = {**old["ome"], "multiscales": [self._with_dataset(one) for one in old["ome"]["multiscales"]]}
        return new

    def above_group(self, old: Json) -> Json:
        """Return the attributes `old` of the folder above with the level: the setup of a BigDataViewer volume.

        Raises
        ------
        UnsupportedFormat
            If they do not list the levels that exist.
        """
        key = "downsamplingFactors"
        return {**old, key: self._with_factors(old, key, shared=True)} if key in old else dict(old)

    def _with_factors(self, old: Json, key: str, *, shared: bool = False) -> Any:
        """Return the factors of the levels under `key`; time points share theirs, and the level may be there."""
        listed = old[key]
        if not isinstance(listed, list) or not all(isinstance(one, list) for one in listed):
            return listed
        factors = list(self.ratio.values())[::-1]
        entry = factors if listed and len(listed[0]) == len(factors) else list(self.scale[::-1])
        if shared and len(listed) > self.number and listed[self.number] == entry:
            return listed
        if len(listed) != self.number or level_number(self.path) != self.number:
            raise UnsupportedFormat(
                f"{self.name}: {key!r} lists {len(listed)} levels where {self.number} exist, so no level can be added; "
                "nothing was changed. Correct the attributes, or copy the volume and add levels to the copy"
            )
        return [*listed, entry]

    def _with_dataset(self, multiscale: Json) -> Json:
        datasets = multiscale.get("datasets", [])
        first = next((one for one in datasets if str(one.get("path")).strip("/") == self.finest), None)
        if first is None:
            return multiscale
        entry: Json = {"path": self.path}
        try:
            if "transform" in first:
                entry["transform"] = self._cosem(first["transform"])
            if "coordinateTransformations" in first:
                entry["coordinateTransformations"] = self._ngff(first, multiscale)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UnsupportedFormat(
                f"{self.name}: the entry of {self.finest} in 'multiscales' cannot be interpreted: {error!r}; "
                "a level cannot be added, and nothing was changed"
            ) from error
        return {**multiscale, "datasets": [*datasets, entry]}

    def _cosem(self, finest: Json) -> Json:
        if not finest:
            return {}
        axes = [str(name).lower() for name in finest["axes"]]
        scale, shift = self._scale_and_shift(axes, finest["scale"], finest.get("translate", [0.0] * len(axes)))
        return {**finest, "scale": scale, "translate": shift}

    def _ngff(self, finest: Json, multiscale: Json) -> list[Json]:
        listed = multiscale.get("axes") or list(self.ratio)
        axes = [str(one["name"] if isinstance(one, Mapping) else one).lower() for one in listed]
        scale, shift = self._scale_and_shift(axes, *compose(finest["coordinateTransformations"], len(axes)))
        return [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]

    def _scale_and_shift(
        self, axes: Sequence[str], size: Sequence[float], first: Sequence[float]
    ) -> tuple[list[float], list[float]]:
        """Return voxel size and first centre, from those of level 0 in whatever unit."""
        if sorted(axes) != sorted(self.ratio):
            raise ValueError(f"it has the axes {', '.join(axes)}, the array {', '.join(self.ratio)}")
        rows = list(zip(axes, size, first, strict=True))
        return [s * self.ratio[a] for a, s, _ in rows], [o + self.shift[a] * s for a, s, o in rows]


def plan_level(group: Group, spec: VolumeSpec, scale: Scale, *, name: str) -> NewLevel:
    """Choose the array of a new level, `spec` being that of level 0, and check that every flavour can list it.

    Raises
    ------
    UnsupportedFormat
        If one cannot, or the group has indices by level that voxome does not write.
    """
    number = len(group.names)
    path = f"s{number}"
    numbered = {f"s{n}" for n in range(number)} == set(group.names)
    while not numbered and (group.folder / path).taken():
        path = f"s{int(path[1:]) + 1}"
    if numbered and "dimensions" in attributes_of(group.folder / f"s{number + 1}"):
        raise UnsupportedFormat(
            f"{name}: s{number} is missing although s{number + 1} exists; restore s{number}, or move s{number + 1} away"
        )
    ratio, shift = dict.fromkeys(spec.axes, 1), dict.fromkeys(spec.axes, 0.0)
    for axis, n in zip(spec.spatial, scale, strict=True):
        start = spec.domain.start[axis]
        ratio[spec.axes[axis]] = n
        shift[spec.axes[axis]] = start // n * n - start + (n - 1) / 2
    level = NewLevel(path, group.names[0], number, scale, ratio, shift, f"{name}/{path}")
    _require_no_index(group, level.name)
    level.in_group(dict(group.context.group))
    level.above_group(dict(group.context.above))
    return level


def _require_no_index(group: Group, name: str) -> None:
    paintera, parent = group.context.above.get("painteraData"), group.folder.parent
    if not paintera or parent is None:
        return
    indices = [one for one in ("unique-labels", "label-to-block-mapping") if (parent / one).taken()]
    if indices:
        raise UnsupportedFormat(
            f"{name}: Paintera has {' and '.join(indices)} for every level of these labels, which voxome does not "
            "write; nothing was changed. Add the level with Paintera's conversion helper, or to a copy of the volume"
        )
