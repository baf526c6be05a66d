"""A proofreading session: edits of the segments of a volume by one author."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from voxome.calls import explain_calls
from voxome.contracts.provenance import Provenance
from voxome.contracts.spec import parse_dtype
from voxome.contracts.uri import Location, location_text
from voxome.errors import EditConflict, InvalidInput, WrongCall, describe_value, unknown
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.services.proofreading.arguments import (
    id_text,
    require_distinct,
    require_finite,
    require_id,
    require_ids,
    require_points,
)
from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.editor import Edit, NewIds
from voxome.services.proofreading.export import changed_boxes
from voxome.services.proofreading.leases import Lease, release_lease, take_lease
from voxome.services.proofreading.lookups import Lookups
from voxome.services.proofreading.mapping import Mapping
from voxome.services.proofreading.operations import Operation
from voxome.services.proofreading.partial_export import Update, export_changes
from voxome.services.proofreading.queue import SuggestionQueue
from voxome.services.proofreading.source import SegmentsSource
from voxome.services.proofreading.split import SplitPlan, Way, plan_split
from voxome.services.proofreading.store import VersionLike
from voxome.services.transfer.run import transfer


class Session(Lookups):
    """Edits of the segments of a volume, on one branch, by one author.

    Every edit is one transaction: it is there as a whole, for all readers at once, or it is not there. An edit is
    refused with `EditConflict` if another session has changed one of its segments since the version that it is based
    on, which is that of the last `refresh` unless ``version=`` names another one.

    Parameters
    ----------
    store : ProofreadingStore
        The store.
    author : str
        Who edits.
    branch : str
        Branch to edit.

    Examples
    --------
    >>> import numpy as np, tempfile, voxome
    >>> labels = np.repeat(np.arange(1, 5, dtype=np.uint64), 2).reshape(2, 2, 2)
    >>> session = voxome.proofread(labels, store=tempfile.mkdtemp() + "/edits.sqlite", author="ann")
    >>> session.merge([1, 2, 3]).segments
    [1]
    >>> session.cleave(1, [2]).segments
    [1, 5]
    >>> session.volume[:].ravel().tolist()
    [1, 1, 5, 5, 1, 1, 4, 4]
    >>> session.undo(2).action, session.segment_of([2]).tolist()
    ('undo', [1])
    """

    def __repr__(self) -> str:
        return f"<Session of {self.author} on {self.store.database.name}, branch {self.branch!r}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the store; the session edits no longer."""
        self._closed = True
        self.store.database.close()

    @explain_calls
    def merge(self, ids: Iterable[int], *, version: VersionLike | None = None) -> Operation:
        """Merge segments into the first of them.

        Parameters
        ----------
        ids : iterable of int
            Two or more segments; the first keeps its id.
        version : int or str, optional
            Version that the edit is based on; `version` if None.

        Raises
        ------
        InvalidInput
            If there are fewer than two, or one occurs twice; nothing changes.
        EditConflict
            If another session has changed or locked one of them.
        NotFound
            If one does not exist.
        """
        segments = require_ids("ids", ids)
        if len(segments) < 2:
            raise InvalidInput(f"ids is {segments}; expected two or more segments to merge; nothing has changed")
        require_distinct(segments, "segment")

        def prepare(mapping: Mapping, _: NewIds) -> Edit:
            target, *others = segments
            moves = [(one, other, target) for other in others for one in sorted(mapping.supervoxels(other))]
            return Edit(Changes.of(moves), [target])

        return self._edit("merge", segments, prepare, version, {"ids": segments})

    @explain_calls
    def cleave(self, id: int, supervoxels: Iterable[int], *, version: VersionLike | None = None) -> Operation:
        """Divide supervoxels off a segment, into a new segment.

        Parameters
        ----------
        id : int
            Segment, which keeps the other supervoxels.
        supervoxels : iterable of int
            Some, but not all, of its supervoxels.
        version : int or str, optional
            Version that the edit is based on; `version` if None.

        Returns
        -------
        Operation
            Its ``segments`` are `id` and the new segment.

        Raises
        ------
        InvalidInput
            If one of the supervoxels is not in the segment or occurs twice, or they are none or all of it.
        EditConflict
            If another session has changed or locked the segment.
        NotFound
            If it does not exist.
        """
        segment = require_id("id", id)
        cut = require_ids("supervoxels", supervoxels)
        require_distinct(cut, "supervoxel")

        def prepare(mapping: Mapping, new_ids: NewIds) -> Edit:
            members = mapping.supervoxels(segment)
            if missing := [one for one in cut if one not in members]:
                raise InvalidInput(f"segment {segment} does not contain the supervoxels {id_text(missing)}")
            if not cut or len(cut) == len(members):
                raise InvalidInput(
                    f"{len(cut)} of the {len(members)} supervoxels of segment {segment} were given; expected some, but "
                    "not all"
                )
            new = new_ids(1)[0]
            return Edit(Changes.of((one, segment, new) for one in cut), [segment, new])

        return self._edit("cleave", [segment], prepare, version, {"id": segment, "supervoxels": cut})

    @explain_calls
    def split(
        self,
        id: int,
        points_a: ArrayLike,
        points_b: ArrayLike,
        *,
        way: Way | None = None,
        box: Box | str | None = None,
        version: VersionLike | None = None,
    ) -> Operation:
        """Split a segment in two, between points.

        In the graph of supervoxels, by a minimum cut; or in the voxels, by a watershed, which divides the supervoxels
        that the cut crosses. Of these, both parts get new ids, and the voxels are written into a copy of their chunks
        in the store.

        Parameters
        ----------
        id : int
            Segment, which keeps side a, and what is joined to neither side.
        points_a, points_b : (n, 3) array of int
            Voxels (z, y, x) of the segment that shall stay together, in the store's coordinates.
        way : {"graph", "voxels"}, optional
            By default the graph if the store has edges, otherwise the voxels.
        box : Box or str, optional
            With the voxels: what is divided; supervoxels outside stay on side a.
        version : int or str, optional
            Version that the edit is based on; `version` if None.

        Returns
        -------
        Operation
            Its ``segments`` are `id` and the new segment, of side b.

        Raises
        ------
        InvalidInput
            If a point is not in the segment, or the segment cannot be cut so; nothing changes.
        EditConflict
            If another session has changed or locked the segment.
        NotFound
            If it does not exist.
        """
        plan = self.preview_split(id, points_a, points_b, way=way, box=box)
        arguments = {
            "id": plan.segment,
            "way": plan.way,
            "points_a": np.asarray(points_a).tolist(),
            "points_b": np.asarray(points_b).tolist(),
        }
        return self._edit("split", [plan.segment], plan.prepare, version, arguments)

    @explain_calls
    def preview_split(
        self,
        id: int,
        points_a: ArrayLike,
        points_b: ArrayLike,
        *,
        way: Way | None = None,
        box: Box | str | None = None,
    ) -> SplitPlan:
        """Return what `split` with the same arguments would do now; the errors are the same."""
        segment = require_id("id", id)
        domain = self.store.domain
        region = None if box is None else Box.of(box, domain) & domain
        sides = require_points("points_a", points_a, domain), require_points("points_b", points_b, domain)
        with self._lock, self.store.database.reading() as connection:
            self._state.follow(connection)
            self._require_exist([segment])
            return plan_split(self.store, connection, self._state, segment, *sides, way, region)

    @explain_calls
    def name(self, id: int, name: str, *, version: VersionLike | None = None) -> Operation:
        """Give a segment a name, or a note; `names` says what becomes of it.

        Names that other sessions have given since are kept beside it, so they are no conflict.

        Parameters
        ----------
        id : int
            Segment.
        name : str
            Any text.
        version : int or str, optional
            Version that the edit is based on; `version` if None.

        Raises
        ------
        EditConflict
            If another session has changed or locked the segment.
        NotFound
            If it does not exist.
        """
        segment = require_id("id", id)
        if not isinstance(name, str) or not name.strip():
            raise InvalidInput(f"name is {describe_value(name)}; expected a text")

        def prepare(mapping: Mapping, _: NewIds) -> Edit:
            lowest = min(mapping.supervoxels(segment))
            return Edit(Changes.of([]), [segment], {"stored_id": min(mapping.stored_ids(lowest))})

        return self._edit("name", [segment], prepare, version, {"name": name})

    @explain_calls
    def undo(self, operation: Operation | int | None = None) -> Operation:
        """Take an operation back, as if it had never been; the undo of an undo is a redo.

        Parameters
        ----------
        operation : Operation or int, optional
            Any operation of this branch, of any author; this session's last edit that is done if None.

        Raises
        ------
        InvalidInput
            If it is already undone.
        EditConflict
            If later operations depend on it, or a segment is locked; names them.
        NotFound
            If it does not exist.
        """
        return self._toggle(operation, "undo")

    @explain_calls
    def redo(self, operation: Operation | int | None = None) -> Operation:
        """Do again what was undone; the errors are those of `undo`.

        Parameters
        ----------
        operation : Operation or int, optional
            The operation that was undone; that of this session's last undo if None.
        """
        return self._toggle(operation, "redo")

    @contextmanager
    def lock(self, *ids: int, seconds: float = 60) -> Iterator[None]:
        """Keep segments from being edited by other sessions while a ``with`` block runs.

        Blocks may be nested: a segment is free again when the last block that locks it ends.

        Parameters
        ----------
        *ids : int
            Segments.
        seconds : float
            When the lock ends although nobody has released it, as after a crash.

        Raises
        ------
        EditConflict
            If another session has locked one; at the end of the block, if the lock has ended before it.
        NotFound
            If one does not exist.
        """
        segments = list(dict.fromkeys(require_ids("ids", ids)))
        if not segments:
            raise InvalidInput("no segments to lock; expected one or more ids")
        if require_finite("seconds", seconds) <= 0:
            raise InvalidInput(f"seconds is {seconds}; expected more than 0")
        with self._lock:
            with self.store.database.writing() as connection:
                self._state.follow(connection)
                self._require_exist(segments)
                lease = Lease(self.branch, self.token, self.author)
                take_lease(connection, lease, segments, self.store.database.now_s(connection), seconds)
            self._locks.update(segments)
        try:
            yield
        finally:
            with self._lock:
                self._locks.subtract(segments)
                free = [one for one in segments if not self._locks[one]]
                with self.store.database.writing() as connection:
                    ended = release_lease(connection, lease, free, self.store.database.now_s(connection))
        if ended:
            raise EditConflict(
                f"the lock of segment {id_text(ended)} ended before its block, so others may have edited it since; "
                "the block's own edits are made: look at the segment after refresh(), and give lock() more seconds="
            )

    @property
    def suggestions(self) -> SuggestionQueue:
        """Queue of suggested edits of this branch."""
        return SuggestionQueue(self)

    @explain_calls
    def export(
        self, uri: Location, *, version: VersionLike | None = None, since: VersionLike | None = None, **options: Any
    ) -> int:
        """Write the segments of a version into another store.

        Parameters
        ----------
        uri : str or path
            Destination: a new volume, or with `since` an existing one.
        version : int or str, optional
            Version; now if None.
        since : int or str, optional
            Version that the destination has: only what has changed since is written, at all of its levels. Repeat the
            call if it was interrupted; until then the destination is not finished.
        **options
            Of `voxome.transfer`, for a new volume: ``levels``, ``chunk``, ``dtype``, ``workers``, ….

        Returns
        -------
        int
            Number of chunks that were written, or of blocks for a new volume.

        Raises
        ------
        InvalidInput
            If the destination does not fit, its provenance says that it has another version than `since`, or `options`
            are given with `since`.
        RunLocked
            If something else is writing into the destination.
        """
        for name in options.keys() - _EXPORT_OPTIONS:
            raise WrongCall(unknown("argument", name, {"version", "since", *_EXPORT_OPTIONS}, "export()"))
        if since is None and options.get("dtype") is not None:
            self._require_room(parse_dtype(options["dtype"]), version)
        with self._lock, self.store.database.reading() as connection:
            after = self._state_at(connection, version)
            before = None if since is None else self._state_at(connection, since)
            number = after.version if version is None else version
            old = None if before is None else before.version
            boxes = [] if before is None else changed_boxes(self.store, before, after)
        source = SegmentsSource(self.store, self.branch, number)
        if old is None:
            segments = Volume(source, self.reveal_uri(number) if self.store.uri else "")
            return transfer(segments, location_text(uri), **options).run
        if options:
            raise InvalidInput(f"{', '.join(options)}: options are of a new volume; leave them out with since=")
        entry = source.read_provenance()[-1]
        update = Update(
            source=source,
            address=self.uri,
            since=old,
            version=entry.parameters["version"],
            boxes=boxes,
            entry=replace(entry, parameters={**entry.parameters, "since": since}),
            version_of=_version_of,
        )
        return export_changes(uri, update)

    def _require_room(self, dtype: np.dtype[Any], version: VersionLike | None) -> None:
        highest = int(np.asarray(self.mapping(version)["segment"]).max(initial=0))
        if dtype.kind in "iu" and highest > np.iinfo(dtype).max:
            raise InvalidInput(
                f"the segment {highest} does not fit into {dtype}; leave dtype out, or choose a larger one"
            )


_EXPORT_OPTIONS = signature(transfer).parameters.keys() - {"src", "dst"}


def _version_of(entries: Sequence[Provenance]) -> int | None:
    """Return the version of the segments of a volume, by its provenance; None if they were never proofread."""
    versions = [one.parameters.get("version") for one in entries if one.service == "proofread"]
    return versions[-1] if versions else None
