"""An open channel at one resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, SupportsIds, SupportsLevels
from voxome.contracts.levels import Level, require_level
from voxome.contracts.provenance import Provenance
from voxome.contracts.read_cost import box_cost
from voxome.contracts.source import Mode, Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, InvalidInput
from voxome.geometry import Box
from voxome.remotes.arrays import require_writable
from voxome.remotes.bossdb.bucket import BucketVolume
from voxome.remotes.bossdb.cutouts import Cutouts
from voxome.remotes.bossdb.description import Description, describe, store_notes
from voxome.remotes.bossdb.downsampling import Downsampling, compute_levels
from voxome.remotes.bossdb.labels import Labels
from voxome.remotes.bossdb.metadata import Metadata
from voxome.remotes.bossdb.projects import Channels, Experiments
from voxome.remotes.bossdb.provenance import add_provenance, read_provenance
from voxome.remotes.bossdb.scales import factor_at
from voxome.remotes.http import Api


class BossdbSource:
    """One channel at one resolution.

    Coarser resolutions are its levels, unless a single resolution was opened. The server compares boxes at every
    resolution with the coordinate frame, so it may refuse boxes of coarser ones if the frame does not start at 0.

    Parameters
    ----------
    api : Api
        The server.
    description : Description
        Description of the channel.
    resolution : int
        0 is the finest.
    mode : {"r", "r+"}
        Read only, or read and write.
    pyramid : bool
        Whether the coarser ones are its levels.
    bucket : BucketVolume, optional
        Where its voxels are read if possible, rather than through the API.
    """

    concurrent_writers = True

    def __init__(
        self,
        api: Api,
        description: Description,
        resolution: int,
        mode: Mode,
        *,
        pyramid: bool,
        bucket: BucketVolume | None = None,
    ) -> None:
        self._api, self._description, self._resolution = api, description, resolution
        self._mode, self._pyramid = mode, pyramid
        self._spec = spec = description.spec(resolution)
        names = description.address.names
        self._cutouts = Cutouts(api, names, resolution, spec.dtype, spec.read_chunk or ())
        self._labels = Labels(api, names, resolution, spec.domain)
        self._bucket = bucket
        self._in_bucket = None if bucket is None else bucket.level(description.scale_from_finest(resolution))
        if self._in_bucket is not None and (chunk := self._in_bucket.chunk):
            self._spec = spec.replace(read_chunk=chunk, write_chunk=chunk)

    def __repr__(self) -> str:
        return f"<BossdbSource {self._description.address} of {self._api.base} at resolution {self._resolution}>"

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""
        return self._spec

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return this source, if it has the ability: labels have ids, pyramids have levels."""
        lacks = {SupportsIds: self._spec.kind != "labels", SupportsLevels: not self._pyramid}
        return self if isinstance(self, protocol) and not lacks.get(protocol) else None

    @property
    def page(self) -> str:
        """URL of the channel's page."""
        return f"{self._api.base.removesuffix('/v1')}/v1/mgmt/resources/{'/'.join(self._description.address.names)}"

    @property
    def viewer_source(self) -> str:
        """Source that Neuroglancer opens."""
        return f"boss://{self._api.base.removesuffix('/v1')}/{'/'.join(self._description.address.names)}"

    def downsample_status(self) -> str:
        """Return NOT_DOWNSAMPLED, QUEUED, IN_PROGRESS, DOWNSAMPLED or FAILED."""
        return Channels(self._api).get(*self._description.address.names).downsample_status

    def downsample(self, *, wait: bool = True) -> str:
        """Let the server compute all coarser resolutions of the experiment, unless it has; return its status.

        Parameters
        ----------
        wait : bool
            Whether to return only when they are there; an interrupted call is repeated to wait again.

        Raises
        ------
        StoreError
            If the server reports that it failed.
        """
        names = self._description.address.names
        return compute_levels(Downsampling(self._api), (names[0], names[1], names[2]), wait=wait)

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read `box`: from the bucket that has the voxels, if there is one, else by concurrent requests to the API."""
        self._check(box)
        out = np.empty(box.shape, self._spec.dtype) if out is None else out
        if self._in_bucket is None or not self._in_bucket.read(box, out):
            self._cutouts.read(box, out)
        return out

    @property
    def chunk_origin(self) -> tuple[int, ...]:
        """Index at which a cuboid of the server, or a chunk of the bucket, begins."""
        return (0,) * self._spec.domain.ndim if self._in_bucket is None else self._in_bucket.origin

    def count_requests(self, box: Box) -> int:
        """Return the number of requests that reading `box` takes."""
        if self._in_bucket is not None and self._in_bucket.has(box):
            return box_cost(self._spec, box, self.chunk_origin).chunks
        return self._cutouts.count_requests(box)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `box`, including zeros. Not atomic: after a failure, write it again.

        Raises
        ------
        ReadOnly
            If the channel is open for reading.
        InvalidInput
            If the data type of `data` differs.
        """
        self._require_writable()
        self._check(box)
        if data.shape != box.shape:
            raise InvalidBox(f"data of shape {data.shape} do not fill the box {box} of shape {box.shape}")
        if data.dtype != self._spec.dtype:
            raise InvalidInput(
                f"{self._description.address} stores {self._spec.dtype}, not {data.dtype}: convert the data"
            )
        self._cutouts.write(box, data)

    def version(self) -> Version:
        """Return a version that is not pinned: the server does not report changes."""
        return Version("bossdb", pinned=False)

    @property
    def metadata(self) -> Metadata:
        """Metadata of the channel: names and values."""
        return Metadata(self._api, *self._description.address.names)

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the metadata of the channel say has made it."""
        return read_provenance(self.metadata)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the metadata of the channel, under a key of its own."""
        self._require_writable()
        add_provenance(self.metadata, one)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes; of concurrent changes, the last one is kept."""
        self._require_writable()
        self._description = describe(self._api, self._description.address)
        attributes = {**self._description.notes.get("attributes", {}), **changes}
        self._description = self._description.with_notes(attributes=attributes)
        store_notes(self._api, self._description)
        self._spec = self._description.spec(self._resolution)

    def ids(self, box: Box) -> NDArray[np.uint64]:
        """Return the labels in `box`, sorted, without 0."""
        self._check(box)
        return self._labels.ids(box)

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        """Return the bounding box of a label at this resolution; that of whole cuboids unless `exact`."""
        return self._labels.bounding_box(label, exact)

    def reserve_ids(self, count: int) -> range:
        """Reserve labels that no other caller gets."""
        return self._labels.reserve(count)

    @property
    def levels(self) -> Sequence[Level]:
        """All resolutions, finest first."""
        found = []
        for number in self._description.scales:
            spec = self._description.spec(number)
            scale = self._description.scale_from_finest(number)
            found.append(Level(spec.voxel_size_nm, spec.offset_nm, scale))
        return found

    def level(self, number: int) -> BossdbSource:
        """Return resolution `number`, counted from the finest of the channel."""
        resolutions = list(self._description.scales)
        require_level(str(self._description.address), number, len(resolutions))
        resolution = resolutions[number]
        return BossdbSource(self._api, self._description, resolution, self._mode, pyramid=False, bucket=self._bucket)

    @property
    def next_scale(self) -> tuple[int, int, int]:
        """Scale (z, y, x) of the resolution after the last, by the hierarchy of the experiment."""
        experiment, last = self._description.experiment, len(self._description.scales)
        base = self._description.channel.base_resolution
        ends = zip(factor_at(experiment, base + last), factor_at(experiment, base), strict=True)
        z, y, x = (coarse // fine for coarse, fine in ends)
        return z, y, x

    def create_level(self, scale: tuple[int, int, int]) -> BossdbSource:
        """Add a resolution to the experiment, hence to all its channels, and open it for writing.

        Raises
        ------
        InvalidInput
            If `scale` is not that of the next resolution.
        """
        self._require_writable()
        experiment, last = self._description.experiment, len(self._description.scales)
        if tuple(scale) != self.next_scale:
            method, expected = experiment.hierarchy_method, self.next_scale
            raise InvalidInput(f"the next level of an {method} experiment has scale {expected} (z, y, x), not {scale}")
        Experiments(self._api).update(*experiment.names, levels=last + 1)
        self._description = describe(self._api, self._description.address)
        return self.level(last)

    def _check(self, box: Box) -> None:
        if box not in self._spec.domain:
            raise InvalidBox(f"box {box} is not inside {self._description.address}, which is {self._spec.domain}")

    def _require_writable(self) -> None:
        require_writable(str(self._description.address), self._mode)
