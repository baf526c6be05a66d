"""A viewer on this machine: volumes, arrays, annotations and runs, served to its own browser."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, cast

import numpy as np
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from voxome.calls import explain_calls
from voxome.contracts.abilities import SupportsPinnedVersions, ability
from voxome.contracts.arguments import require_lengths
from voxome.contracts.shapes import Annotations
from voxome.contracts.source import VolumeSource
from voxome.contracts.stored_files import SupportsStoredFiles
from voxome.contracts.uri import Location, location_text
from voxome.errors import InvalidInput, UnknownName
from voxome.extras import require
from voxome.relay.accounts import PUBLIC, Accounts
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.collections import PermittedCollections
from voxome.relay.cors import EVERY
from voxome.relay.dialect import open_dialects
from voxome.relay.dialects.view.dialect import ViewDialect
from voxome.relay.dialects.view.source_layers import FirstView, source_url, versioned
from voxome.relay.index import Index
from voxome.relay.notebooks import ANY_HOST, frame, hub_address, hub_hosts
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.serve import in_thread
from voxome.relay.source_names import check_source_name
from voxome.resources.shapes import Points
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike
from voxome.services.annotations.create import create_annotations
from voxome.viewer.contents import Content, contents_of
from voxome.viewer.in_napari import show_in_napari
from voxome.viewer.kept_annotations import KeptAnnotations
from voxome.viewer.meshed import MeshedLabels, with_meshes
from voxome.viewer.segment_table import WithProperties
from voxome.viewer.shown import as_shown, shown_format
from voxome.viewer.sized import Sized
from voxome.viewer.states import Extent, Layer, build_state

_LOG = logging.getLogger(__name__)
_EDITABLE = Rights(writers=frozenset({PUBLIC}))
_VIEWERS = ("neuroglancer", "napari")
_DRAWN = "annotations"
"""Layer of the annotations that are drawn in the viewer."""


class LocalView:
    """A running viewer; it ends with `close`, at the end of a ``with`` block, or with the process.

    Attributes
    ----------
    url : str
        Address of the page: on this machine, or on a JupyterHub that of its proxy, a path if the hub does not say how
        browsers reach it.
    """

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url, self._stack = url, stack

    def close(self) -> None:
        """Stop serving."""
        self._stack.close()

    def __enter__(self) -> LocalView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalView({self.url!r})"

    def _repr_html_(self) -> str:
        """Return the viewer as a frame of a notebook, with a link to it."""
        return frame(self.url)


@explain_calls
def view(
    *targets: VolumeLike | Points | Annotations,
    names: Sequence[str] = (),
    annotate: Location | Mapping[str, Location] | None = None,
    proofread: bool = False,
    voxel_size_nm: Sequence[float] | None = None,
    viewer: str = "neuroglancer",
    port: int = 0,
    hosts: Sequence[str] = (),
) -> LocalView | Any:
    """Show volumes, arrays, annotations and runs in Neuroglancer, or in napari.

    The viewer comes with voxome and needs no network. It is served to this machine only, read-only. On a JupyterHub it
    is served through jupyter-server-proxy, to whom the hub lets in.

    Parameters
    ----------
    *targets : str, path, Volume, Points, Annotations or array
        What is shown: a folder of a run is shown with all results.
    names : sequence of str, optional
        Names of the layers, one for each target; by default the last part of the address. A run has its own names.
    annotate : str or path, or mapping of str to these, optional
        Folder in which annotations that are drawn in the viewer are kept, by anybody who reaches the page on this
        machine: as precomputed collections ``point``, ``line``, ``box`` and ``ellipsoid``. Or several folders by the
        name of their layer, such as that of a class.
    proofread : bool
        Whether segments of ``proofread://STORE`` are edited on the page, by anybody who reaches it on this machine.
    voxel_size_nm : (z, y, x) or (y, x), optional
        Voxel size of arrays, and of volumes that have none, which are then shown in their finest level; (y, x) if none
        of them has z. By default they are shown with voxels of 1 nm, and a warning says so.
    viewer : {"neuroglancer", "napari"}
        Where they are shown: napari, if it is installed, is a window, which neither annotates nor proofreads, and has
        no port and hosts.
    port : int
        Port of the page; any free one if 0.
    hosts : sequence of str
        Other names than ``localhost`` by which browsers reach the page, through a proxy on this machine; requests
        under any other name are refused, so that no web page gets through to it.

    Returns
    -------
    LocalView or napari.Viewer
        With the address of the page; a notebook shows the page itself.

    Raises
    ------
    InvalidInput
        If there is nothing to show, a layer cannot have its name, or has that of another, a volume is empty or has
        axes that Neuroglancer does not show, no layer can be proofread that should be, or a voxel size is given and all
        volumes have one.
    UnknownName
        If there is no such viewer.
    StoreError
        If nothing can be written in `annotate`.
    NotFound, UnsupportedFormat
        If a target cannot be opened.
    MissingExtra
        If the viewer is not installed.

    Examples
    --------
    >>> with voxome.view("em.zarr", "neurons.zarr") as shown:  # doctest: +SKIP
    ...     print(shown.url)
    """
    if viewer not in _VIEWERS:
        raise UnknownName.of("viewer", viewer, _VIEWERS)
    if viewer == "neuroglancer":
        require("view", "neuroglancer", "starlette", "uvicorn")
    drawn = {} if annotate is None else annotate if isinstance(annotate, Mapping) else {_DRAWN: annotate}
    contents = _with_sizes(_contents(targets, names, drawn), voxel_size_nm)
    if proofread and not any(_is_edited(one) for one in contents):
        raise InvalidInput(
            f"no segments can be edited here: {', '.join(one.name for one in contents)} "
            "cannot be proofread; name a layer proofread://STORE"
        )
    if viewer == "napari":
        given = {"annotate": annotate is not None, "proofread": proofread, "port": bool(port), "hosts": bool(hosts)}
        if unknown := [name for name, is_given in given.items() if is_given]:
            raise InvalidInput(f"napari takes no {', '.join(unknown)}; leave that out, or use neuroglancer")
        return show_in_napari(contents)
    contents = [
        replace(one, resource=as_shown(one.resource, one.name)) if isinstance(one.resource, Volume) else one
        for one in contents
    ]
    stack = ExitStack()
    try:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="voxome-view-")))
        catalogue = MemoryCatalogue()
        relay = Relay(catalogue, Accounts(catalogue), "memory://view")
        for one in contents:
            _serve(one, relay, scratch, proofread=proofread)
        size = _voxel_size(contents)
        edited = {name: KeptAnnotations.at(location_text(folder), size) for name, folder in drawn.items()}
        first = _FirstState(contents, edited)
        dialects = [
            Index(),
            *open_dialects(relay, ["precomputed", "zarr"]),
            ViewDialect(relay, first, edited, accounts=False),
        ]
        app = create_app(dialects, frame_ancestors=[EVERY])  # as a notebook of any address shows it
        address = stack.enter_context(in_thread(_for_hosts(app, [*hosts, *hub_hosts(os.environ)]), port=port))
        stack.callback(relay.stopping.begin)
    except BaseException:
        stack.close()
        raise
    hub = hub_address(os.environ, address)
    return LocalView(f"{address}/view" if hub is None else f"{hub}/view/", stack)


def _for_hosts(app: ASGIApp, hosts: Sequence[str]) -> ASGIApp:
    """Refuse requests under other host names (DNS rebinding)."""
    if ANY_HOST in hosts:
        return app
    return TrustedHostMiddleware(app, ["127.0.0.1", "localhost", "[::1]", *hosts], www_redirect=False)


def _contents(
    targets: Sequence[VolumeLike | Points | Annotations], names: Sequence[str], drawn: Mapping[str, Location]
) -> list[Content]:
    if names and len(names) != len(targets):
        raise InvalidInput(f"there are {len(names)} names of {len(targets)} targets; give one for each")
    for name in (*names, *drawn):
        check_source_name(name)
    if len({location_text(folder) for folder in drawn.values()}) < len(drawn):
        raise InvalidInput("two layers would keep their annotations in one folder; name another (annotate=)")
    contents: list[Content] = []
    for number, target in enumerate(targets, 1):
        layers = list(contents_of(target, number))
        if names and len(layers) == 1:
            layers = [layers[0].named(names[number - 1])]
        contents += layers
    if not contents:
        raise InvalidInput("there is nothing to show; give at least one volume or run")
    seen = set(drawn)
    for one in contents:
        if one.name in seen:
            raise InvalidInput(f"two layers would be called {one.name}; name one, as in other=em.zarr (names=)")
        seen.add(one.name)
    return contents


def _with_sizes(contents: Sequence[Content], voxel_size_nm: Sequence[float] | None) -> list[Content]:
    """Give a voxel size to volumes that have none, or warn that they have none."""
    volumes = [(one.name, one.resource) for one in contents if isinstance(one.resource, Volume)]
    unsized = [volume for _, volume in volumes if volume.voxel_size_nm is None]
    without = [name for name, volume in volumes if volume.voxel_size_nm is None]
    size = None if voxel_size_nm is None else _lengths_of(unsized, voxel_size_nm)
    if size is None:
        for name in without:
            _LOG.warning(
                "%s has no voxel size, and is shown with voxels of 1 nm; give voxel_size_nm=(z, y, x) (--voxel-size)",
                name,
            )
        return list(contents)
    if not without:
        raise InvalidInput("all volumes have a voxel size; leave out voxel_size_nm (--voxel-size)")
    return [
        replace(one, resource=Volume(Sized(one.resource.source, size), one.resource.reveal_uri()))
        if one.name in without and isinstance(one.resource, Volume)
        else one
        for one in contents
    ]


def _lengths_of(volumes: Sequence[Volume], voxel_size_nm: Sequence[float]) -> tuple[float, float, float]:
    """Return three lengths (z, y, x); of images without z, two are enough, and z is as long as y."""
    is_flat = bool(volumes) and all("z" not in one.spec.axes for one in volumes)
    if is_flat and isinstance(voxel_size_nm, Sequence | np.ndarray) and len(voxel_size_nm) == 2:
        voxel_size_nm = (voxel_size_nm[0], *voxel_size_nm)
    return require_lengths("voxel_size_nm", voxel_size_nm)


def _is_edited(content: Content) -> bool:
    """Return whether the segments of a content can be edited."""
    resource = content.resource
    return isinstance(resource, Volume) and ability(resource.source, SupportsPinnedVersions) is not None


def _serve(content: Content, relay: Relay, scratch: Path, *, proofread: bool) -> None:
    """Make a content available under its name."""
    resource = content.resource
    if isinstance(resource, Volume):
        edited = proofread and _is_edited(content)
        source: VolumeSource | MeshedLabels | WithProperties = with_meshes(resource)
        if content.properties is not None:
            source = WithProperties(cast("VolumeSource", source), content.properties)
        relay.sources.add(content.name, source, _EDITABLE if edited else PUBLIC_READ)
        return
    stored = ability(resource.source, SupportsStoredFiles) if isinstance(resource, Points) else None
    if stored is None or stored.stored_files("annotations") is None:
        points = create_annotations(f"precomputed://{scratch / content.name}", resource)
        if len(points) != 1:
            raise InvalidInput(f"{content.name} has annotations of {len(points)} shapes; view those of one shape")
        resource = points[0]
    relay.collections.add(content.name, cast("Points", resource).source)


def _voxel_size(contents: Sequence[Content]) -> tuple[float, float, float] | None:
    """Return the first voxel size that is known."""
    sizes = (one.resource.voxel_size_nm for one in contents if isinstance(one.resource, Volume))
    return next((size for size in sizes if size is not None), None)


@dataclass(frozen=True)
class _FirstState:
    """The state that the page begins with: all contents, images at the bottom."""

    contents: Sequence[Content]
    edited: Mapping[str, KeptAnnotations]

    def __call__(
        self, sources: PermittedSources, collections: PermittedCollections, names: Sequence[str], base: str
    ) -> FirstView:
        order = {"image": 0, "segmentation": 1, "annotation": 2}
        layers = [
            Layer(
                one.name, one.type, self._url(one, sources, base), tuple(one.segments), one.colours, one.visible,
                one.linked, columns=one.columns,
            )
            for one in sorted(self.contents, key=lambda one: order[one.type])
        ]  # fmt: skip
        labels = next((one.name for one in layers if one.type == "segmentation"), None)
        linked = {} if labels is None else {"segments": labels}
        for number, (name, kept) in enumerate(self.edited.items()):
            layers.append(Layer(name, "annotation", "", linked=linked, annotations=kept.read(), number=number))
        volumes = (one.resource for one in self.contents if isinstance(one.resource, Volume))
        extent = next((found for volume in volumes if (found := Extent.of(volume.spec)) is not None), None)
        resources = [one.resource for one in self.contents if one.visible]
        places = [one.positions_nm[:, 0] for one in resources if isinstance(one, Annotations)]
        if extent is not None and places:
            extent = extent.through(np.concatenate(places))
        return FirstView(build_state(layers, _voxel_size(self.contents), extent))

    def _url(self, content: Content, sources: PermittedSources, base: str) -> str:
        if not isinstance(content.resource, Volume):
            return source_url(base, content.name)
        return source_url(base, versioned(sources, content.name), shown_format(content.resource.spec, content.name))
