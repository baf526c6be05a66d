"""Base classes of data instances; types add routes with a decorator."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from uuid import uuid4

from starlette.responses import Response

from standins.dvid.blobs import Blobs
from standins.dvid.calls import Call, Refusal, empty_response, json_response
from standins.dvid.versions import Node

if TYPE_CHECKING:
    from standins.dvid.repos import Repo

Handler = Callable[[Any, Node, Call], Response]
F = TypeVar("F", bound=Handler)

_ORIGIN = "github.com/janelia-flyem/dvid/datatype"


def route(methods: str, keyword: str, *, reads: bool = False) -> Callable[[F], F]:
    """Register a method as the handler of a keyword.

    Parameters
    ----------
    methods : str
        HTTP methods, separated by spaces.
    keyword : str
        Part of the path after the instance's name.
    reads : bool
        Whether it changes nothing although it is a POST, and is allowed in locked versions.
    """

    def mark(handler: F) -> F:
        keys = [(method, keyword) for method in methods.split()]
        cast(Any, handler).routed = {**getattr(handler, "routed", {}), **dict.fromkeys(keys, reads)}
        return handler

    return mark


class Instance:
    """Data instance; subclasses are the supported types."""

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
        """Return the URL of the type's reference implementation."""
        return f"{_ORIGIN}/{cls.source}"

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation, with names in lower case."""

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {}

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``/info``."""
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
        """Handle a request; ``call.parts[0]`` is its keyword."""
        keyword = call.parts[0] if call.parts else ""
        if keyword == "blobstore":
            return self.blobs.handle(call)
        handler, reads = self.routes.get((call.method, keyword), (None, call.method in {"GET", "HEAD"}))
        if handler is None and call.method == "HEAD":
            handler, reads = self.routes.get(("GET", keyword), (None, True))
        if self.versioned and node.locked and not reads and call.method not in {"GET", "HEAD"}:
            raise Refusal(f'Cannot do {call.method} on endpoint "{keyword}" of locked node {node.uuid}')
        if handler is None:
            raise self.unknown(call)
        return handler(self, node if self.versioned else self.repo.root, call)

    def unknown(self, call: Call) -> Refusal:
        """Return the error for an unknown request."""
        return Refusal(
            f'Bad API call ({call.path}) for data "{self.name}".  '
            f"See API help at {call.base_url}/api/help/{self.typename}",
            bare=True,
        )

    @route("GET POST", "info")
    def info(self, node: Node, call: Call) -> Response:
        """Describe the instance; contrary to DVID's documentation, so does a POST."""
        return json_response(self.as_json())

    @route("GET", "help")
    def help(self, node: Node, call: Call) -> Response:
        """List the keywords."""
        return Response("\n".join(f"{method} {keyword}" for method, keyword in sorted(self.routes)))


class Tagged(Instance):
    """Instance with tags: label, keyvalue and annotation types."""

    @route("GET", "tags")
    def get_tags(self, node: Node, call: Call) -> Response:
        """Return all tags."""
        return json_response(self.tags)

    @route("POST", "tags")
    def post_tags(self, node: Node, call: Call) -> Response:
        """Add tags, or replace the existing ones."""
        tags = call.json(dict[str, str])
        self.tags = tags if call.flag("replace") else {**(self.tags or {}), **tags}
        return empty_response()


class Synced(Instance):
    """Instance that can be synced with others."""

    @route("POST", "sync")
    def sync(self, node: Node, call: Call) -> Response:
        """Set the instances to sync with."""
        names = [name for name in re.split(r"\s*,\s*", call.json(dict[str, str]).get("sync", "")) if name]
        uuids = [self.repo.instance(name).uuid for name in names]
        self.syncs = names if call.flag("replace") else [*dict.fromkeys([*self.syncs, *names])]
        synced = " ".join(f"{uuid}:{{}}" for uuid in sorted(uuids))
        self.repo.add_log([f'Data instance "{self.name}" set to sync with map[{synced}]'])
        return empty_response()

    def synced(self, instance_type: type[T]) -> T | None:
        """Return the first synced instance of a type."""
        instances = (self.repo.instance(name) for name in self.syncs)
        return next((instance for instance in instances if isinstance(instance, instance_type)), None)


T = TypeVar("T", bound=Instance)


def triple(options: Mapping[str, str], name: str, default: float) -> tuple[float, float, float]:
    """Parse an option of three numbers separated by commas."""
    if name not in options:
        return default, default, default
    try:
        x, y, z = map(float, options[name].split(","))
    except ValueError:
        raise Refusal(f"{name} must be three numbers with commas between them, not {options[name]!r}") from None
    if not min(x, y, z) > 0 or max(x, y, z) == math.inf:
        raise Refusal(f"{name} must be of numbers above 0, not {options[name]!r}")
    return x, y, z
