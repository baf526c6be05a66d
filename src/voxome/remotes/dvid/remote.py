"""Volumes of a DVID server: ``dvid://HOST[:PORT]/UUID[:BRANCH]/INSTANCE``, or ``dvids://`` over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.points import PointsSpec, PointsWriter
from voxome.contracts.source import Mode, ResourceInfo, Source, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, InvalidUri, UnsupportedFormat
from voxome.extras import require
from voxome.geometry import Box
from voxome.remotes.dvid.node import Address, DvidApi, Node, resolve_version
from voxome.remotes.dvid.points_writer import DvidPointsWriter
from voxome.remotes.dvid.repos import Dvid, Repo
from voxome.remotes.dvid.resources import noun_of, open_resource
from voxome.remotes.dvid.types import (
    DTYPES,
    GROWING_TYPES,
    InstanceInfo,
    Triple,
    choose_block,
    choose_type,
    instance_settings,
    instance_type,
    require_domain,
)
from voxome.remotes.dvid.versions import DvidNode
from voxome.remotes.dvid.volumes import RawSource

_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
_ENCODING = frozenset({"type", "levels", "versioned"})
_AXES = ("z", "y", "x")


class DvidRemote:
    """Volumes of DVID servers.

    A version is a UUID, a unique prefix of one, either followed by ``:branch`` (the leaf of that branch), or a tag.
    Options after ``?`` are ``level=N``, ``supervoxels=true`` (of a labelmap, instead of bodies), ``throttle=true``
    (the server may postpone requests while it is busy), ``labels=NAME`` (whose voxel size annotations have, and with
    which new ones are synced) and ``shape=line`` (synapses as lines from pre to post, instead of points).
    """

    uri_options = ("labels", "shape", "supervoxels", "throttle")

    def open(self, uri: Uri, *, mode: Mode = "r") -> Source:
        node, instance = _find_instance(uri)
        description = node.api.json("GET", node.path(instance, "info"))
        type_name = instance_type(description)
        if type_name not in DTYPES:
            labels, shape = uri.query.get("labels"), uri.query.get("shape", "point")
            found = open_resource(node, instance, type_name, labels, str(uri), shape)
            if found is not None:
                return found
        return self._open_volume(uri, mode, node, instance, InstanceInfo.parse(str(uri), description))

    def _open_volume(self, uri: Uri, mode: Mode, node: Node, instance: str, info: InstanceInfo) -> RawSource:
        throttle = _bool_option(uri, "throttle")
        if info.type != "labelmap" and _bool_option(uri, "supervoxels"):
            raise UnsupportedFormat(f"{uri} is a {info.type}; only a labelmap has supervoxels")
        if info.type not in ("labelmap", "labelarray"):
            return RawSource(node, instance, info, name=str(uri), mode=mode, throttle=throttle)
        require("dvid", "numba", "google.protobuf")
        if info.type == "labelarray":
            from voxome.remotes.dvid.labelarray import LabelarraySource  # numba is slow to import

            return LabelarraySource(node, instance, info, name=str(uri), mode=mode, throttle=throttle)
        from voxome.remotes.dvid.labelmap import LabelmapSource

        supervoxels = _bool_option(uri, "supervoxels")
        return LabelmapSource(
            node, instance, info, name=str(uri), mode=mode, throttle=throttle, supervoxels=supervoxels
        )

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        """List the repos of a server, or the versions and data instances of a repo."""
        address = Address.parse(uri)
        server = Dvid(DvidApi(address.base))
        head = f"{uri.scheme}://{address.base.partition('://')[2]}"
        if address.version is None:
            for root, repo in server.repos.items():
                yield ResourceInfo(f"{head}/{root}", "repo", ": ".join(filter(None, (repo.alias, repo.description))))
            return
        repo = server.repo(address.version)
        if address.instance is None:
            yield from _versions(head, repo)
        for name, info in repo.instances.items():
            if address.instance in (None, name):
                yield _instance(f"{head}/{address.version}/{name}", info)

    def create(self, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        """Create an instance in an existing version, and open it for writing.

        ``spec.encoding`` may contain the ``type`` (labelblk or labelarray instead of labelmap), the number of
        ``levels`` of a labelmap below the finest, and ``versioned: False``.
        """
        node, instance = _find_instance(uri)
        type_name, block = _choose_instance(uri, spec)
        options = dict(spec.encoding or {})
        version = DvidNode(node)
        version.create_instance(
            instance, type_name, versioned=options.get("versioned", True), settings=instance_settings(type_name, spec)
        )
        if type_name in GROWING_TYPES:
            _write_corners(self._open(uri, "r+", node, instance), spec.domain, block)
        else:
            version.set_extents(instance, spec.domain)
        return self._open(uri, "r+", node, instance)

    def _open(self, uri: Uri, mode: Mode, node: Node, instance: str) -> RawSource:
        return self._open_volume(uri, mode, node, instance, InstanceInfo.fetch(node, instance, str(uri)))

    def open_points_writer(self, uri: Uri, spec: PointsSpec) -> PointsWriter:
        """Open the writer of points or synapses into an annotation instance, which is created if it does not exist."""
        node, instance = _find_instance(uri)
        return DvidPointsWriter(uri, node, instance, spec, uri.query.get("labels"))

    def adapt_spec(self, uri: Uri, spec: VolumeSpec, levels: int) -> VolumeSpec:
        """Return the spec with the number of levels, which DVID creates all at once; only labelmaps have some."""
        encoding = dict(spec.encoding or {})
        if levels == 1 or spec.kind != "labels" or "levels" in encoding:
            return spec
        return spec.replace(encoding={**encoding, "levels": levels - 1})

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        _find_instance(uri)
        _choose_instance(uri, spec)

    def open_label_edits(self, uri: Uri, author: str | None) -> tuple[DvidNode, str]:
        node, instance = _find_instance(uri)
        version = DvidNode(node)
        version.set_user(author)
        type_name = version.instances.get(instance)
        if type_name != "labelmap":
            raise InvalidInput(f"{uri} is {type_name or 'missing'}; expected a labelmap")
        return version, instance

    def connect(self, uri: Uri) -> Dvid | DvidNode:
        """Return the server, or one of its versions."""
        address = Address.parse(uri)
        if address.instance is not None:
            raise InvalidUri(f"{uri} names an instance; connect to its version, then .labels(…), .keyvalue(…), …")
        server = Dvid(DvidApi(address.base))
        return server if address.version is None else server.node(address.version)


def _find_instance(uri: Uri) -> tuple[Node, str]:
    address = Address.parse(uri)
    if address.version is None or address.instance is None:
        raise InvalidUri(f"{uri} does not name an instance; write {uri.scheme}://HOST[:PORT]/UUID[:BRANCH]/INSTANCE")
    api = DvidApi(address.base)
    return Node(api, resolve_version(api, address.version)), address.instance


def _bool_option(uri: Uri, name: str) -> bool:
    text = uri.query.get(name, "false").lower()
    if text not in _FLAGS:
        raise InvalidUri(f"{uri}: {name} must be true or false, not {text!r}")
    return _FLAGS[text]


def _choose_instance(uri: Uri, spec: VolumeSpec) -> tuple[str, Triple]:
    """Return the instance type and the block shape for `spec`, if DVID can store it."""
    _require_storable(uri, spec)
    type_name = choose_type(spec)
    block = choose_block(type_name, spec)
    require_domain(type_name, block, spec.domain)
    return type_name, block


def _require_storable(uri: Uri, spec: VolumeSpec) -> None:
    if wrong := sorted(set(spec.encoding or {}) - _ENCODING):
        raise InvalidInput(f"{uri}: unknown encoding {', '.join(wrong)}; DVID has {', '.join(sorted(_ENCODING))}")
    if spec.axes != _AXES or spec.domain.empty:
        raise UnsupportedFormat(
            f"{uri}: DVID stores non-empty volumes with axes z, y, x, not {'/'.join(spec.axes)} {spec.domain}"
        )
    lost = {"offset_nm": any(spec.offset_nm), "fill": spec.fill != 0, "attributes": bool(spec.attributes)}
    if names := [f"{name} {getattr(spec, name)}" for name, is_lost in lost.items() if is_lost]:
        raise UnsupportedFormat(f"{uri}: DVID cannot store {', '.join(names)}; leave it out")


def _versions(head: str, repo: Repo) -> Iterator[ResourceInfo]:
    for uuid, version in repo.versions.items():
        state = "locked" if version.locked else "open"
        yield ResourceInfo(f"{head}/{uuid}", "version", f"{version.branch}, {state}: {version.note}".rstrip(": "))


def _instance(uri: str, description: Mapping[str, Any]) -> ResourceInfo:
    type_name = description["Base"]["TypeName"]
    if type_name not in DTYPES:
        return ResourceInfo(uri, noun_of(type_name, uri.rpartition("/")[2]))
    info = InstanceInfo.parse(uri, description)
    return ResourceInfo.of_volume(uri, str(info.spec.dtype), info.domain.shape, info.domain.start, type_name)


def _write_corners(source: RawSource, domain: Box, block: Triple) -> None:
    """Write zeros to the first and the last block, so that the extents, which cannot be set, become the domain."""
    last = tuple(b - n for b, n in zip(domain.stop, block, strict=True))
    for start in dict.fromkeys((domain.start, last)):
        source.write_zeros(Box.of_shape(block, start))
