"""Proofreading on the page: edits of sources ``proofread://STORE``, by those who may write them.

An edit says on which version it is based. It is refused, with status 409 and the reason, if one of its segments has
changed since, whoever has changed it. Ids are texts, which keep all of their bits; points are nm in Neuroglancer's
coordinates (z, y, x).
"""

from __future__ import annotations

import getpass
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, EditConflict, InvalidInput, NotFound, ReadOnly, UnknownName
from voxome.geometry.places import voxels_at
from voxome.relay.accounts import Caller
from voxome.relay.dialects.view.bodies import json_object
from voxome.relay.dialects.view.edit_events import EditEvents, readable
from voxome.relay.http import endpoint, require_known
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT
from voxome.relay.sessions import is_same_origin
from voxome.relay.threads import waiting
from voxome.services.proofreading.operations import Operation
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.source import SegmentsSource

_EDIT = "/view/edits/{name:path}"
_LARGEST_BYTES = 2**20
_DIGITS = re.compile("[0-9]{1,20}")

Values = Mapping[str, Any]


class Edits:
    """Routes by which the page edits segments, and learns of the edits of others.

    Parameters
    ----------
    relay : Relay
        Its sources are edited.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay, self._events = relay, EditEvents(relay)
        self._sessions: dict[tuple[str, str], tuple[Session, Lock]] = {}
        self._lock = Lock()

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes ``/view/edits`` and below."""
        serve = partial(endpoint, self._relay, 0)
        return [
            Route("/view/edits", serve(self._list), methods=["GET"]),
            Route("/view/edits/events", self._events.respond, methods=["GET"]),
            Route(_EDIT, serve(self._since), methods=["GET"]),
            Route(_EDIT, endpoint(self._relay, _LARGEST_BYTES, self._edit), methods=["POST"]),
        ]

    def _list(self, request: Request, caller: Caller, body: bytearray) -> Response:
        require_known(request, "layer")
        sources = PermittedSources(self._relay.sources, caller)
        names = readable(self._relay.sources, request.query_params.getlist("layer"), caller)
        versions = {name: sources.current_version(name) for name in names}
        listed = {
            name: {"version": version, "writable": sources.rights(name).may_write(caller)}
            for name, version in versions.items()
            if version is not None
        }
        return JSONResponse(listed, headers=NOT_KEPT)

    def _since(self, request: Request, caller: Caller, body: bytearray) -> Response:
        """Answer what has become of the segments that have changed since a version."""
        require_known(request, "since")
        name, seen = request.path_params["name"], request.query_params.get("since", "")
        sources = PermittedSources(self._relay.sources, caller)
        source = _segments(sources, name)
        since = _number(source, seen)
        session, _ = self._session(source)
        version = source.current_version()
        until = _number(source, version)
        return JSONResponse({"version": version, "replaced": _replaced(session, since, until)}, headers=NOT_KEPT)

    def _edit(self, request: Request, caller: Caller, body: bytearray) -> Response:
        name, values = request.path_params["name"], json_object(body)
        if "authorization" not in request.headers and not is_same_origin(request):
            raise AccessDenied("an edit comes from the page of this server, /view, or has a token in its header")
        sources = PermittedSources(self._relay.sources, caller)
        sources.require_write(name)
        source = _segments(sources, name)
        action = str(values.get("action"))
        if action not in _ACTIONS:
            raise UnknownName.of("action", action[:80], _ACTIONS)
        known = ("action", "version", *_VALUES[action])
        for key in values.keys() - set(known):
            raise UnknownName.of("key", key[:80], known, f"the action {action}")
        version = _number(source, str(values.get("version", "")))
        session, lock = self._session(source)
        try:
            with waiting(f"edits of {name}"), lock:  # an edit may read many voxels
                session.token, session.author = uuid.uuid4().hex, caller.name or _user()
                operation = _ACTIONS[action](session, values, version, sources.spec(name))
        except EditConflict as conflict:
            return JSONResponse({"message": str(conflict)}, 409, NOT_KEPT)
        edited = operation.number if operation.target is None else operation.target
        answer = {"version": source.current_version(), "operation": edited, "segments": _texts(operation.segments)}
        return JSONResponse(answer, headers=NOT_KEPT)

    def _session(self, source: SegmentsSource) -> tuple[Session, Lock]:
        """Return the session on a branch of a store that all requests share, each with a token of its own."""
        key = source.store.token, source.branch
        with self._lock:
            session, lock = self._sessions.get(key, (None, None))
            if session is None or lock is None or session.store is not source.store:
                session, lock = Session(source.store, _user(), source.branch), Lock()
                self._sessions[key] = session, lock
            return session, lock


def _segments(sources: PermittedSources, name: str) -> SegmentsSource:
    """Return a source that follows the edits of its branch.

    Raises
    ------
    NotFound
        If there is no such source.
    ReadOnly
        If it is a version, which stays as it is.
    """
    source = sources.use(name, SegmentsSource, lambda source: source)
    if source is None:
        raise NotFound(f"the source {name} is not proofread")
    if source.is_version:
        raise ReadOnly(f"{name} is one version, which stays as it is; edit the source that follows the branch")
    return source


def _number(source: SegmentsSource, version: str) -> int:
    """Return the number of a version of a source.

    Raises
    ------
    InvalidInput
        If it is none of its versions.
    """
    number, _, lineage = version.partition(".")
    now, _, own = source.current_version().partition(".")
    if lineage != own or _DIGITS.fullmatch(number) is None or int(number) > int(now):
        raise InvalidInput(f"there is no version {version[:80]!r}; reload the page to see the version now")
    return int(number)


def _replaced(session: Session, since: int, until: int) -> dict[str, list[str]]:
    """Return the segments that have changed, each with those that have its supervoxels now."""
    rows = session.changes(since, until)
    before, after = rows["before"], rows["after"]
    replaced: dict[str, list[str]] = {}
    for old in np.unique(before[before != 0]).tolist():
        new = set(after[(before == old) & (after != 0)].tolist())
        with suppress(NotFound):
            if len(session.supervoxels(old, until)):
                new.add(old)
        replaced[str(old)] = _texts(sorted(new))
    return replaced


def _merge(session: Session, values: Values, version: int, spec: VolumeSpec) -> Operation:
    return session.merge(_ids(values, "ids"), version=version)


def _cleave(session: Session, values: Values, version: int, spec: VolumeSpec) -> Operation:
    return session.cleave(_id(values.get("id")), _ids(values, "supervoxels"), version=version)


def _split(session: Session, values: Values, version: int, spec: VolumeSpec) -> Operation:
    sides = [_points(values, name, spec) for name in ("points_a_nm", "points_b_nm")]
    return session.split(_id(values.get("id")), *sides, version=version)


def _undo(session: Session, values: Values, version: int, spec: VolumeSpec) -> Operation:
    return session.undo(_operation(values))


def _redo(session: Session, values: Values, version: int, spec: VolumeSpec) -> Operation:
    return session.redo(_operation(values))


_ACTIONS: Mapping[str, Callable[[Session, Values, int, VolumeSpec], Operation]] = {
    "merge": _merge,
    "cleave": _cleave,
    "split": _split,
    "undo": _undo,
    "redo": _redo,
}


_VALUES: Mapping[str, tuple[str, ...]] = {
    "merge": ("ids",),
    "cleave": ("id", "supervoxels"),
    "split": ("id", "points_a_nm", "points_b_nm"),
    "undo": ("operation",),
    "redo": ("operation",),
}
"""What an edit says besides its action and version."""


def _operation(values: Values) -> int:
    number = values.get("operation")
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidInput("operation should be the number of an edit, as its answer has it")
    return number


def _ids(values: Values, name: str) -> list[int]:
    given = values.get(name)
    if not isinstance(given, list):
        raise InvalidInput(f"{name} should be a list of ids, as texts")
    return [_id(one) for one in given]


def _id(value: Any) -> int:
    if not isinstance(value, str) or _DIGITS.fullmatch(value) is None or int(value) >= 2**64:
        raise InvalidInput("an id should be a text of digits, as that of a segment")
    return int(value)


def _points(values: Values, name: str, spec: VolumeSpec) -> NDArray[np.int64]:
    """Return points as voxels (z, y, x) in the coordinates of the store."""
    try:
        places = np.array(values.get(name), np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        places = np.empty((0, 3))
    if not len(places) or not np.isfinite(places).all() or np.abs(places).max() > 1e15:
        raise InvalidInput(f"{name} should be a list of one or more points: nm along z, y and x")
    return voxels_at(places, spec.voxel_size_nm or (1.0, 1.0, 1.0))


def _texts(ids: Sequence[int]) -> list[str]:
    return [str(one) for one in ids]


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return "viewer"
