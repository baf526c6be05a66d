"""``dvid://HOST[:PORT]/UUID[:BRANCH]/INSTANCE``: volumes of a DVID server; ``dvids://`` over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.source import Mode, ResourceInfo, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, InvalidUri, UnsupportedFormat
from voxome.remotes.dvid.node import Address, DvidApi, Node, resolve
from voxome.remotes.dvid.repos import Dvid, Repo
from voxome.remotes.dvid.types import DTYPES, Info, settings, type_of
from voxome.remotes.dvid.versions import DvidNode
from voxome.remotes.dvid.volumes import RawSource

_OPTIONS = frozenset({"level", "supervoxels", "throttle"})
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
_ENCODING = frozenset({"type", "levels", "versioned"})
_AXES = ("z", "y", "x")


class DvidRemote:
    """Volumes of DVID servers.

    A version is a UUID, the unique beginning of one, either followed by ``:branch`` (the leaf of that branch), or a
    tag. After ``?`` may stand ``level=N``, ``supervoxels=true`` (of a labelmap, instead of bodies) and
    ``throttle=true`` (the server may put requests off while it is busy).
    """

    def open(self, uri: Uri, *, mode: Mode = "r") -> RawSource:
        node, instance = _place(uri)
        info, throttle = Info.asked(node, instance, str(uri)), _flag(uri, "throttle")
        if info.type != "labelmap":
            if _flag(uri, "supervoxels"):
                raise UnsupportedFormat(f"{uri} is a {info.type}; only a labelmap has supervoxels")
            return RawSource(node, instance, info, name=str(uri), mode=mode, throttle=throttle)
        from voxome.remotes.dvid.labelmap import LabelmapSource  # numba is slow to import

        supervoxels = _flag(uri, "supervoxels")
        return LabelmapSource(
            node, instance, info, name=str(uri), mode=mode, throttle=throttle, supervoxels=supervoxels
        )

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        """The repos of a server; the versions and data instances of a repo."""
        address = Address.of(uri)
        server = Dvid(DvidApi(address.base))
        head = f"{uri.scheme}://{address.base.partition('://')[2]}"
        if address.version is None:
            for root, repo in server.repos.items():
                yield ResourceInfo(f"{head}/{root}", "repo", ": ".join(filter(None, (repo.alias, repo.description))))
            return
        repo = server.repo(address.version)
        if address.instance is None:
            yield from _versions(head, repo)
        for name, said in repo.instances.items():
            if address.instance in (None, name):
                yield _instance(f"{head}/{address.version}/{name}", said)

    def create(self, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        """Make an instance in a version that is there, and open it for writing.

        ``spec.encoding`` may name the ``type`` (labelblk instead of labelmap), how many ``levels`` a labelmap has below
        its finest, and ``versioned: False``.
        """
        node, instance = _place(uri)
        _refuse_what_is_lost(uri, spec)
        kind, options = type_of(spec), dict(spec.encoding or {})
        made = DvidNode(node)
        made.create_instance(instance, kind, versioned=options.get("versioned", True), settings=settings(kind, spec))
        made.set_extents(instance, spec.domain)
        return self.open(uri, mode="r+")

    def connect(self, uri: Uri) -> Dvid | DvidNode:
        """The server, or one version of it."""
        address = Address.of(uri)
        if address.instance is not None:
            raise InvalidUri(f"{uri} names an instance; connect to its version, then .labels(…), .keyvalue(…), …")
        server = Dvid(DvidApi(address.base))
        return server if address.version is None else server.node(address.version)


def _place(uri: Uri) -> tuple[Node, str]:
    address = Address.of(uri)
    if wrong := sorted(set(uri.query) - _OPTIONS):
        raise InvalidUri(f"{uri}: there is no option {', '.join(wrong)}; known: {', '.join(sorted(_OPTIONS))}")
    if address.version is None or address.instance is None:
        raise InvalidUri(f"{uri} names no volume; write {uri.scheme}://HOST[:PORT]/UUID[:BRANCH]/INSTANCE")
    api = DvidApi(address.base)
    return Node(api, resolve(api, address.version)), address.instance


def _flag(uri: Uri, name: str) -> bool:
    text = uri.query.get(name, "false").lower()
    if text not in _FLAGS:
        raise InvalidUri(f"{uri}: {name} is true or false, not {text!r}")
    return _FLAGS[text]


def _refuse_what_is_lost(uri: Uri, spec: VolumeSpec) -> None:
    if wrong := sorted(set(spec.encoding or {}) - _ENCODING):
        raise InvalidInput(f"{uri}: DVID has no encoding {', '.join(wrong)}; it has {', '.join(sorted(_ENCODING))}")
    if spec.axes != _AXES or spec.domain.empty:
        raise UnsupportedFormat(f"{uri}: DVID holds volumes with axes z, y, x, not {'/'.join(spec.axes)} {spec.domain}")
    lost = {"offset_nm": any(spec.offset_nm), "fill": spec.fill != 0, "attributes": bool(spec.attributes)}
    if names := [f"{name} {getattr(spec, name)}" for name, is_lost in lost.items() if is_lost]:
        raise UnsupportedFormat(f"{uri}: DVID has no place for {', nor for '.join(names)}: leave that out")


def _versions(head: str, repo: Repo) -> Iterator[ResourceInfo]:
    for uuid, version in repo.versions.items():
        state = "locked" if version.locked else "open"
        yield ResourceInfo(f"{head}/{uuid}", "version", f"{version.branch}, {state}: {version.note}".rstrip(": "))


def _instance(uri: str, said: Mapping[str, Any]) -> ResourceInfo:
    kind = said["Base"]["TypeName"]
    if kind not in DTYPES:
        return ResourceInfo(uri, kind)
    info = Info.of(uri, said)
    return ResourceInfo(uri, "volume", f"{kind} {info.spec.dtype} {info.domain}")
