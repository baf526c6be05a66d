"""``voxome.proofread``: begin or continue the proofreading of a label volume."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_path
from voxome.contracts.label_edits import SupportsLabelEdits
from voxome.contracts.uri import Location, Uri
from voxome.errors import InvalidInput, describe_value
from voxome.resources.labels import require_labels
from voxome.resources.recognition import find_remote
from voxome.resources.unfinished import require_finished
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume, location_of, opens
from voxome.services.proofreading.branches import MAIN
from voxome.services.proofreading.database import Database, parse_store
from voxome.services.proofreading.dvid import DvidSession
from voxome.services.proofreading.graph_cut import Edges
from voxome.services.proofreading.remote import SCHEME
from voxome.services.proofreading.scan import scan
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.source_check import changed_boxes, source_state
from voxome.services.proofreading.store import ProofreadingStore
from voxome.services.proofreading.store_creation import create_store


@explain_calls
def proofread(
    volume: VolumeLike,
    store: Location | None = None,
    *,
    author: str | None = None,
    branch: str | None = None,
    mapping: tuple[ArrayLike, ArrayLike] | None = None,
    edges: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    voxel_size_nm: Sequence[float] | None = None,
) -> Session | DvidSession:
    """Begin or continue the proofreading of a label volume.

    The labels are its supervoxels and are never written. A store beside them has the mapping of supervoxels to
    segments, the history of all edits, branches and versions; many processes may edit it at once. The segments are a
    volume like any other, ``proofread://STORE``.

    Parameters
    ----------
    volume : str, path, Volume or array
        Supervoxels, along z, y, x; or ``proofread://STORE``, to continue; or ``dvid://HOST/UUID/INSTANCE``, which is
        edited on its server, without a store.
    store : str or path, optional
        ``FILE`` or ``sqlite:///FILE``, or ``postgresql://USER:PASSWORD@HOST/DATABASE`` for editors on several machines.
        Not needed if `volume` is ``proofread://STORE``. A new store reads the whole volume once.
    author : str, optional
        Who edits; the name of the user of this machine if None.
    branch : str, optional
        Branch to edit, ``main`` if None.
    mapping : (n,) and (n,) array of int, optional
        Supervoxels and their segments at the start, of a new store; other supervoxels are segments of their own.
    edges : (n,), (n,) array of int and (n,) array of float, optional
        Edges of the graph of supervoxels, of a new store: both ends, and the affinity, above 0. Splits then cut where
        the affinities are small.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array.

    Returns
    -------
    Session or DvidSession

    Raises
    ------
    InvalidInput
        If the volume has no labels along z, y, x, or negative ones, or another one belongs to the store.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri

    Examples
    --------
    >>> import numpy as np, tempfile, voxome
    >>> labels = np.repeat(np.arange(1, 5, dtype=np.uint64), 2).reshape(2, 2, 2)
    >>> session = voxome.proofread(labels, store=tempfile.mkdtemp() + "/edits.sqlite", author="ann")
    >>> session.merge([3, 4]).version
    1
    """
    if isinstance(volume, str | os.PathLike):
        uri = Uri.parse(volume)
        remote = find_remote(uri.scheme)
        if isinstance(remote, SupportsLabelEdits):
            _refuse(store=store, branch=branch, mapping=mapping, edges=edges)
            return DvidSession(*remote.open_label_edits(uri, author), uri.scheme)
        if uri.scheme == SCHEME:
            _refuse_new(mapping=mapping, edges=edges)
            return open_session(uri, author, branch)
    if store is None:
        raise InvalidInput("no store; give the file of one, as in store='edits.sqlite', or the address of a database")
    require_path("store", store)
    name = _author(author)
    labels = as_volume(volume, voxel_size_nm=voxel_size_nm)
    return Session(_open_or_create(labels, Database(parse_store(store)), name, mapping, edges), name, branch or MAIN)


def open_session(uri: Uri, author: str | None = None, branch: str | None = None) -> Session:
    """Return a session on the store of ``proofread://STORE``.

    Raises
    ------
    NotFound
        If it does not exist.
    """
    store = ProofreadingStore(Database(parse_store(uri.path)))
    return Session(store, _author(author), branch or uri.query.get("branch", MAIN))


def _open_or_create(
    labels: Volume,
    database: Database,
    author: str,
    mapping: tuple[ArrayLike, ArrayLike] | None,
    edges: tuple[ArrayLike, ArrayLike, ArrayLike] | None,
) -> ProofreadingStore:
    _require_labels(labels)
    require_finished(labels.reveal_uri())
    uri = _recorded_uri(labels)
    is_new = not database.exists
    if is_new:
        pairs = None if mapping is None else (_ids("mapping", mapping[0]), _ids("mapping", mapping[1]))
        database.require_creatable()
        state = source_state(labels.source)
        supervoxels = scan(labels.source, labels.uri or "the array")
        graph = None if edges is None else _edges(*edges)
        is_new = create_store(database, uri, labels.domain, supervoxels, state, author, pairs, graph)
    if not is_new:
        _refuse_new(mapping=mapping, edges=edges)
    store = ProofreadingStore(database, None if uri else labels.source, compared=is_new or not uri)
    if (store.uri, store.domain) != (uri, labels.domain):
        raise InvalidInput(
            f"{database.name} belongs to {store.uri or 'an array'} {store.domain}, not to {uri or 'this array'} "
            f"{labels.domain}; use another store"
        )
    if not (is_new or uri) and (box := next(changed_boxes(database, labels.source), None)) is not None:
        raise InvalidInput(
            f"{database.name} belongs to an array with other voxels than this one, in {box}; give that one, or use "
            "another store"
        )
    store.require_unchanged()
    return store


def _recorded_uri(labels: Volume) -> str:
    """Return the URI of supervoxels by which readers open them; empty if there is none."""
    uri = location_of(labels)
    if uri is None and labels.uri == labels.reveal_uri() and opens(labels.uri, labels.source):
        return labels.uri  # in the memory of this process
    return uri or ""


def _refuse(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InvalidInput(f"{name} is of volumes with a store beside them; DVID keeps all edits itself")


def _refuse_new(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InvalidInput(
                f"{name}: the mapping at the start and edges are given when a store is made; this exists"
            )


def _require_labels(volume: Volume) -> None:
    if volume.spec.axes != ("z", "y", "x"):
        name, axes = volume.uri or "the array", "/".join(volume.spec.axes)
        raise InvalidInput(f"{name} has the axes {axes}; expected z/y/x: choose others by ?c=0 or ?t=0")
    if volume.dtype != bool:
        require_labels(volume)


def _ids(name: str, values: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or (array.size and array.min() < 0):
        raise InvalidInput(f"{name} has {array.dtype}; expected ids, whole numbers from 1")
    return array.astype(np.uint64)


def _edges(first: ArrayLike, second: ArrayLike, affinities: ArrayLike) -> Edges:
    ends = [_ids("edges", one) for one in (first, second)]
    weights = np.asarray(affinities)
    if ends[0].ndim != 1 or ends[0].shape != ends[1].shape or weights.dtype.kind not in "iuf":
        raise InvalidInput("edges are two arrays of supervoxels and one of numbers, of one length")
    return Edges(np.column_stack(ends), weights.astype(np.float64))


def _author(author: str | None) -> str:
    if author is None:
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            raise InvalidInput("this machine has no name of its user; give author='NAME'") from None
    if not isinstance(author, str) or not author.strip():
        raise InvalidInput(f"author is {describe_value(author)}; expected a name")
    return author
