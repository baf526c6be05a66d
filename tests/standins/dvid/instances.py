"""What every type of data instance has: a name, options, routes; a type adds its own routes by a decorator."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from uuid import uuid4

from starlette.responses import Response

from standins.dvid.blobs import Blobs
from standins.dvid.calls import Call, Refusal, as_json, done
from standins.dvid.versions import Node

if TYPE_CHECKING:
    from standins.dvid.repos import Repo

Handler = Callable[[Any, Node, Call], Response]
F = TypeVar("F", bound=Handler)

_ORIGIN = "github.com/janelia-flyem/dvid/datatype"


def route(methods: str, keyword: str, *, reads: bool = False) -> Callable[[F], F]:
    """Mark a method of an instance as what answers a keyword.

    Parameters
    ----------
    methods : str
        HTTP methods, with blanks between them.
    keyword : str
        The piece of the path behind the instance's name.
    reads : bool
        A POST that changes nothing, allowed in a locked version.
    """

    def mark(handler: F) -> F:
        keys = [(method, keyword) for method in methods.split()]
        cast(Any, handler).routed = {**getattr(handler, "routed", {}), **dict.fromkeys(keys, reads)}
        return handler

    return mark


class Instance:
    """A data instance; its subclasses are the types that the server knows."""

    typename: ClassVar[str]
    source: ClassVar[str]
    type_version: ClassVar[str] = "0.1"
    compression: ClassVar[str] = "LZ4 compression, level -1"
    routes: ClassVar[Mapping[tuple[str, str], tuple[Handler, bool]]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.routes = {
            key: (handler, reads)
            for base in reversed(cls.__mro__)
            for handler in vars(base).values()
            for key, reads in getattr(handler, "routed", {}).items()
        }

    def __init__(self, name: str, repo: Repo, options: Mapping[str, str]) -> None:
        self.name, self.repo = name, repo
        self.uuid = uuid4().hex
        self.versioned = options.get("versioned", "1").lower() not in {"0", "false", "off"}
        self.syncs: list[str] = []
        self.tags: dict[str, str] | None = None
        self.blobs = Blobs()
        self.create(options)

    @classmethod
    def url(cls) -> str:
        """Where the type's reference implementation is."""
        return f"{_ORIGIN}/{cls.source}"

    def create(self, options: Mapping[str, str]) -> None:
        """Read the options of its creation; their names are in lower case."""

    def extended(self) -> dict[str, Any]:
        """What ``/info`` tells beyond the common part."""
        return {}

    def as_json(self) -> dict[str, Any]:
        """What ``/info`` tells."""
        base = {
            "TypeName": self.typename,
            "TypeURL": self.url(),
            "TypeVersion": self.type_version,
            "DataUUID": self.uuid,
            "Name": self.name,
            "RepoUUID": self.repo.root.uuid,
            "Compression": self.compression,
            "Checksum": "No checksum",
            "Syncs": self.syncs,
            "Versioned": self.versioned,
            "KVStore": "memory",
            "LogStore": "memory",
            "Tags": self.tags,
        }
        return {"Base": base, "Extended": self.extended()}

    def handle(self, node: Node, call: Call) -> Response:
        """Answer a request; ``call.parts[0]`` is its keyword."""
        keyword = call.parts[0] if call.parts else ""
        if keyword == "blobstore":
            return self.blobs.answer(call)
        handler, reads = self.routes.get((call.method, keyword), (None, call.method in {"GET", "HEAD"}))
        if handler is None and call.method == "HEAD":
            handler, reads = self.routes.get(("GET", keyword), (None, True))
        if self.versioned and node.locked and not reads and call.method not in {"GET", "HEAD"}:
            raise Refusal(f'Cannot do {call.method} on endpoint "{keyword}" of locked node {node.uuid}')
        if handler is None:
            raise self.unknown(call)
        return handler(self, node if self.versioned else self.repo.root, call)

    def unknown(self, call: Call) -> Refusal:
        """Refuse a request that the type does not know."""
        return Refusal(
            f'Bad API call ({call.path}) for data "{self.name}".  '
            f"See API help at {call.base_url}/api/help/{self.typename}",
            bare=True,
        )

    @route("GET POST", "info")
    def info(self, node: Node, call: Call) -> Response:
        """Describe the instance; a POST does no more, whatever is documented."""
        return as_json(self.as_json())

    @route("GET", "help")
    def help(self, node: Node, call: Call) -> Response:
        """Name the keywords that it answers."""
        return Response("\n".join(f"{method} {keyword}" for method, keyword in sorted(self.routes)))


class Tagged(Instance):
    """An instance that keeps tags: label, keyvalue and annotation types."""

    @route("GET", "tags")
    def get_tags(self, node: Node, call: Call) -> Response:
        """All tags."""
        return as_json(self.tags)

    @route("POST", "tags")
    def post_tags(self, node: Node, call: Call) -> Response:
        """Add tags, or take them in place of those before."""
        tags = call.json(dict[str, str])
        self.tags = tags if call.flag("replace") else {**(self.tags or {}), **tags}
        return done()


class Synced(Instance):
    """An instance that follows another one."""

    @route("POST", "sync")
    def sync(self, node: Node, call: Call) -> Response:
        """Name the instances that are followed."""
        names = [name for name in re.split(r"\s*,\s*", call.json(dict[str, str]).get("sync", "")) if name]
        uuids = [self.repo.instance(name).uuid for name in names]
        self.syncs = names if call.flag("replace") else [*dict.fromkeys([*self.syncs, *names])]
        followed = " ".join(f"{uuid}:{{}}" for uuid in sorted(uuids))
        self.repo.say([f'Data instance "{self.name}" set to sync with map[{followed}]'])
        return done()

    def followed(self, kind: type[T]) -> T | None:
        """The first followed instance of a type."""
        instances = (self.repo.instance(name) for name in self.syncs)
        return next((instance for instance in instances if isinstance(instance, kind)), None)


T = TypeVar("T", bound=Instance)


def triple(options: Mapping[str, str], name: str, default: float) -> tuple[float, float, float]:
    """An option of three numbers with commas between them."""
    if name not in options:
        return default, default, default
    try:
        x, y, z = map(float, options[name].split(","))
    except ValueError:
        raise Refusal(f"{name} must be three numbers with commas between them, not {options[name]!r}") from None
    if not min(x, y, z) > 0 or max(x, y, z) == math.inf:
        raise Refusal(f"{name} must be of numbers above 0, not {options[name]!r}")
    return x, y, z
