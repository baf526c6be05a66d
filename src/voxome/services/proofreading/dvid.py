"""Proofreading of a labelmap on a DVID server, by its own API."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Never, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.kinds import Rows
from voxome.contracts.label_edits import LabelEdits, LabelMutation, LabelVersion, LabelVersionInfo
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.uri import Location, location_text
from voxome.errors import EditConflict, InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.resources.open import open, open_source
from voxome.resources.provenance import input_record, own_version
from voxome.resources.volume import Volume
from voxome.services.proofreading.arguments import (
    require_apart,
    require_distinct,
    require_id,
    require_ids,
    require_inside,
    require_points,
)
from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.operations import Operation
from voxome.services.proofreading.partial_export import Update, export_changes
from voxome.services.proofreading.split import Way
from voxome.services.proofreading.voxel_split import MOST_VOXELS
from voxome.services.proofreading.watershed import B, divide, is_parted
from voxome.services.transfer.run import transfer

_LABELS = ("Target", "Labels", "OrigLabel", "CleavedLabel", "Body")
"""Names of the fields of a mutation with bodies."""


class DvidSession:
    """Edits of the bodies of a labelmap, with the methods of `Session` that DVID has.

    DVID keeps versions, history and supervoxels itself. It has no undo, no locks and no transaction over several
    requests: a split that divides supervoxels is several edits, and is completed by hand if it is interrupted. Versions
    are UUIDs.

    Parameters
    ----------
    node : LabelVersion
        Version to edit, which must be open.
    instance : str
        Name of the labelmap.
    scheme : str
        ``dvid`` or ``dvids``.
    """

    def __init__(self, node: LabelVersion, instance: str, scheme: str = "dvid") -> None:
        self.node, self.instance, self._scheme = node, instance, scheme
        self.labels: LabelEdits = node.labels(instance)
        self._own: set[int] = set()
        self._seen = 0
        self.refresh()

    def __repr__(self) -> str:
        return f"<DvidSession on {self.uri}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: a server is not kept waiting."""

    @property
    def uri(self) -> str:
        """Address of the segments, for `voxome.open`."""
        return self._address(self.node.uuid)

    @property
    def volume(self) -> Volume:
        """The segments, as they are now."""
        return open(self.uri, expect=Volume)

    @property
    def version(self) -> str:
        """UUID of the version that is edited."""
        return self.node.uuid

    def refresh(self) -> str:
        """Take note of the edits of all others, and return the version."""
        versions, waiting, numbers = self.node.versions, [self.node.uuid], [0]
        while waiting:
            uuid = waiting.pop()
            ids = [one.mutation_id or 0 for one in self._at(uuid).mutations()]
            numbers += ids
            waiting += () if ids else versions[uuid].parents
        self._seen = max(numbers)
        return self.version

    @explain_calls
    def segment_of(self, supervoxels: ArrayLike, version: str | None = None) -> NDArray[np.uint64]:
        """Return the segments of supervoxels at a version, 0 where one does not exist; see `Session.segment_of`."""
        return self._at(version).bodies_of(require_ids("supervoxels", supervoxels, background=True))

    @explain_calls
    def supervoxels(self, id: int, version: str | None = None) -> NDArray[np.uint64]:
        """Return the supervoxels of a segment at a version, sorted; NotFound if it does not exist."""
        return self._at(version).supervoxels(id)

    @explain_calls
    def segments_at(self, points: ArrayLike, version: str | None = None) -> NDArray[np.uint64]:
        """Return the segments at points (z, y, x in voxels) at a version."""
        return self._at(version).at(points)

    @explain_calls
    def history(self) -> list[Operation]:
        """Return the edits in this version, in order."""
        branch = self.node.info.branch
        return [_operation(one, branch) for one in self.labels.mutations()]

    @explain_calls
    def changes(self, since: str, until: str | None = None) -> Rows:
        """Return the supervoxels whose segment differs between two versions; see `Session.changes`."""
        before, after = (self._mappings(version) for version in (since, until))
        changed = sorted(one for one in {*before, *after} if before.get(one, one) != after.get(one, one))
        pairs = [self._at(version).bodies_of(changed) for version in (since, until)]
        differs = pairs[0] != pairs[1]
        columns = (np.array(changed, np.uint64), *pairs)
        return dict(zip(("supervoxel", "before", "after"), (one[differs] for one in columns), strict=True))

    @explain_calls
    def merge(self, ids: Iterable[int], *, version: int | None = None) -> Operation:
        """Merge segments into the first of them; see `Session.merge`. `version` is a number in `history`."""
        segments = require_ids("ids", ids)
        if len(segments) < 2:
            raise InvalidInput(f"ids is {segments}; expected two or more segments to merge; nothing has changed")
        require_distinct(segments, "segment")
        self._require_unchanged(segments, version)
        return self._record(self.labels.merge(segments[0], segments[1:]), "merge", segments[:1])

    @explain_calls
    def cleave(self, id: int, supervoxels: Iterable[int], *, version: int | None = None) -> Operation:
        """Divide supervoxels off a segment, into a new segment; see `Session.cleave`."""
        segment, cut = require_id("id", id), require_ids("supervoxels", supervoxels)
        require_distinct(cut, "supervoxel")
        self._require_unchanged([segment], version)
        result = self.labels.cleave(segment, cut)
        return self._record(result.mutation_id, "cleave", [segment, result.label])

    @explain_calls
    def split(
        self,
        id: int,
        points_a: ArrayLike,
        points_b: ArrayLike,
        *,
        way: Way | None = None,
        box: Box | str | None = None,
        version: int | None = None,
    ) -> Operation:
        """Split a segment in two by a watershed between points; see `Session.split`.

        Supervoxels that the cut divides are split first, then side b is cleaved off.
        """
        if way not in (None, *get_args(Way)):
            raise UnknownName.of("way", way, get_args(Way))
        if way == "graph":
            raise InvalidInput("DVID has no graph of supervoxels; use way='voxels'")
        id = require_id("id", id)
        self._require_unchanged([id], version)
        domain = self.volume.domain
        seeds_a, seeds_b = require_points("points_a", points_a, domain), require_points("points_b", points_b, domain)
        require_apart(seeds_a, seeds_b)
        region = domain if box is None else Box.of(box, domain) & domain
        require_inside(region, seeds_a, seeds_b)
        for point, body in zip(np.concatenate([seeds_a, seeds_b]), self.labels.at([*seeds_a, *seeds_b]), strict=True):
            if body != id:
                raise InvalidInput(f"point {tuple(point.tolist())} is in segment {body}, not in segment {id}")
        side = self._side_b(id, seeds_a, seeds_b, None if box is None else region)
        cut = []
        for supervoxel in self.supervoxels(id).tolist():
            runs = self.labels.runs(supervoxel, supervoxel=True)
            part = runs.difference(runs.difference(side))
            if part.count == runs.count:
                cut.append(supervoxel)
            elif part.count:
                result = self.labels.split_supervoxel(supervoxel, part)
                self._own.add(result.mutation_id)
                cut.append(result.part)
        cleaved = self.labels.cleave(id, cut)
        return self._record(cleaved.mutation_id, "cleave", [id, cleaved.label])

    def undo(self, operation: Operation | int | None = None) -> Never:
        """Refuse: DVID has no undo.

        Raises
        ------
        UnsupportedFormat
        """
        raise UnsupportedFormat(
            f"{self.uri}: DVID has no undo; cleave what was merged, or begin a branch at an earlier version"
        )

    redo = undo

    @property
    def branches(self) -> list[str]:
        """Names of the branches, ``master`` first."""
        return self.node.branches

    @property
    def versions(self) -> Mapping[str, LabelVersionInfo]:
        """Versions by UUID, oldest first."""
        return self.node.versions

    def commit(self, note: str = "") -> DvidSession:
        """Lock this version for good, and return a session on a new one that follows it."""
        self.node.commit(note)
        return self._on(self.node.new_version())

    @explain_calls
    def create_branch(self, name: str, version: str | None = None) -> DvidSession:
        """Begin a branch at a committed version, this one if None, and return a session on it."""
        return self._on((self.node if version is None else self.node.at(version)).branch(name))

    def on(self, branch: str) -> DvidSession:
        """Return a session on the last version of a branch.

        Raises
        ------
        UnknownName
            If it does not exist.
        """
        if branch not in self.branches:
            raise UnknownName.of("branch", branch, self.branches)
        return self._on(self.node.at(self.node.branch_versions(branch)[0]))

    @explain_calls
    def merge_versions(self, others: Iterable[str], note: str = "") -> DvidSession:
        """Merge committed versions that have no conflicts into a new one; return a session on it."""
        return self._on(self.node.merge_versions(others, note))

    @explain_calls
    def resolve_versions(self, others: Iterable[str], note: str = "") -> DvidSession:
        """Merge committed versions; where they conflict, the earlier ones win, this one first."""
        return self._on(self.node.resolve_versions(others, [self.instance], note))

    def reload(self) -> None:
        """Let the server read the metadata of all repos again, as after another server has changed them."""
        self.node.reload_metadata()

    @explain_calls
    def export(self, uri: Location, *, version: str | None = None, since: str | None = None, **options: Any) -> int:
        """Write the segments of a version into another store; see `Session.export`."""
        node = self.node if version is None else self.node.at(version)
        address = self._address(node.uuid)
        if since is None:
            return transfer(address, location_text(uri), **options).run
        if options:
            raise InvalidInput(f"{', '.join(options)}: options are of a new volume; leave them out with since=")
        source, before = open_source(address), self.node.at(since).uuid
        parameters = {"branch": node.info.branch, "version": node.uuid, "since": since}
        inputs = [input_record("labels", source, address)]
        update = Update(
            source=source,
            address=self._address("*"),
            since=before,
            version=node.uuid,
            boxes=self._changed_boxes(before, node.uuid),
            entry=Provenance.now("proofread", LOCAL, "voxome.proofread", own_version(), parameters, inputs),
            version_of=self._version_of,
        )
        return export_changes(uri, update)

    def _version_of(self, entries: Sequence[Provenance]) -> str | None:
        """Return the version of which a volume was made, by its provenance."""
        versions = {self._address(uuid): uuid for uuid in self.versions}
        made_of = [one.uri for entry in entries for one in entry.inputs if one.uri in versions]
        return versions[made_of[-1]] if made_of else None

    def _changed_boxes(self, since: str, until: str) -> list[Box]:
        table, shape = self.changes(since, until), self.labels.block_shape
        boxes = set()
        for name, version in (("before", since), ("after", until)):
            labels = self._at(version)
            domain = self.volume.domain
            for body in np.unique(table[name][table[name] > 0]).tolist():
                corners = labels.blocks(body).points() * np.array(shape)
                boxes |= {Box.of_shape(shape, corner) & domain for corner in corners.tolist()}
        return sorted((one for one in boxes if not one.empty), key=lambda one: one.start)

    def _side_b(self, id: int, points_a: NDArray[np.int64], points_b: NDArray[np.int64], box: Box | None) -> Runs:
        """Return the voxels of a segment on side b."""
        runs = self.labels.runs(id, box=box)
        region = runs.box
        if region.size > MOST_VOXELS:
            raise InvalidInput(
                f"segment {id} reaches over {region}, {region.size:,} voxels; at most {MOST_VOXELS:,} are divided at "
                "once: give box=, outside which supervoxels stay whole"
            )
        mask = runs.mask(region)
        seeds = [points - np.array(region.start) for points in (points_a, points_b)]
        is_b = divide(mask, seeds[0], seeds[1], self.volume.voxel_size_nm) == B
        for name, side, one in (("a", mask & ~is_b, seeds[0]), ("b", is_b, seeds[1])):
            if is_parted(mask, side, one):
                raise InvalidInput(
                    f"cannot split segment {id}: the watershed parts the points of side {name}; nothing has changed"
                )
        return Runs.from_mask(is_b, (region.start[0], region.start[1], region.start[2]))

    def _mappings(self, version: str | None) -> dict[int, int]:
        table = self._at(version).mappings()
        return dict(zip(table["supervoxel"].tolist(), table["body"].tolist(), strict=True))

    def _address(self, uuid: str) -> str:
        return f"{self._scheme}://{self.node.url.partition('://')[2]}/{uuid}/{self.instance}"

    def _at(self, version: str | None) -> LabelEdits:
        return self.labels if version is None else self.node.at(version).labels(self.instance)

    def _on(self, node: LabelVersion) -> DvidSession:
        return DvidSession(node, self.instance, self._scheme)

    def _require_unchanged(self, segments: list[int], version: int | None) -> None:
        seen = self._seen if version is None else version
        for segment in segments:
            try:
                last = self.labels.last_edit(segment)
            except NotFound:
                continue  # the edit names all segments that do not exist
            if last.mutation_id > seen and last.mutation_id not in self._own:
                raise EditConflict(
                    f"segment {segment} has changed since version {seen}: by {last.user} at {last.time}; look at it "
                    "again after refresh(), and repeat the edit"
                )

    def _record(self, mutation: int, action: Any, segments: list[int]) -> Operation:
        self._own.add(mutation)
        last = self.labels.last_edit(segments[0])
        is_ours = last.mutation_id == mutation  # and not one that came after it
        user, time_s = (last.user, _seconds(last.time)) if is_ours else ("", math.nan)
        details = {"segments": segments}
        return Operation(mutation, self.node.info.branch, action, user, time_s, "", None, details, Changes.of([]))


def _operation(one: LabelMutation, branch: str) -> Operation:
    segments: list[int] = []
    for name in _LABELS:
        value = one.details.get(name, [])
        segments += value if isinstance(value, list) else [value]
    details = {**one.details, "segments": segments}
    action: Any = one.action
    return Operation(
        one.mutation_id or 0, branch, action, one.user, _seconds(one.time), "", None, details, Changes.of([])
    )


def _seconds(text: str) -> float:
    """Return a time in seconds since 1970; NaN if it is not of ISO 8601."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return math.nan
