"""Collections, experiments, channels and coordinate frames: list, get, create, update, publish, delete."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from voxome.config.profiles import same_host
from voxome.errors import InvalidInput, UnknownName
from voxome.remotes.bossdb.account import DEFAULT_HOST
from voxome.remotes.bossdb.records import BossRecord, Channel, Collection, CoordinateFrame, Experiment
from voxome.remotes.bossdb.service import parsing, path
from voxome.remotes.http import Api

OPEN_DATA = "bossdb-open-data"
"""Bucket of the public server."""

V = TypeVar("V", bound=BossRecord)


class ResourceClient(Generic[V]):
    """Records of one type on a server; `names` run from the collection down to the record."""

    record: ClassVar[type[Any]]
    steps: ClassVar[tuple[str, ...]]
    """Parts of the path, one before each name."""
    plural: ClassVar[str]
    """JSON key of their list."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self, *parents: str) -> list[str]:
        """Return the names of all inside `parents`."""
        url_path = self._path(parents, len(self.steps) - 1)
        with parsing(f"the {self.plural}"):
            return [str(name) for name in self._api.json("GET", url_path)[self.plural]]

    def get(self, *names: str) -> V:
        """Return one of them.

        Raises
        ------
        NotFound
            If it does not exist.
        """
        return self._parse(self._api.json("GET", self._path(names)), names)

    def create(self, new: V) -> V:
        """Create it; return the server's record.

        Raises
        ------
        InvalidInput, AlreadyExists
            If the server refuses; the message is the server's.
        """
        return self._parse(self._api.json("POST", self._path(new.names), json=new.body()), new.names)

    def update(self, *names: str, **changes: Any) -> V:
        """Change some fields, ``name="…"`` renames; return the server's record.

        Raises
        ------
        UnknownName
            If a field is unknown, or cannot be changed.
        """
        for field in changes:
            if field not in self.record.changeable:
                raise UnknownName.of("changeable field", field, self.record.changeable)
        body = {self.record.keys.get(field, field): value for field, value in changes.items()}
        return self._parse(self._api.json("PUT", self._path(names), json={"name": names[-1], **body}), names)

    def make_public(self, *names: str, public: bool = True) -> None:
        """Let everybody read it, or only those with permission."""
        self._api.send("PUT", self._path(names), json={"public": public})

    def delete(self, *names: str) -> None:
        """Delete it; the server refuses while it is not empty or in use."""
        self._api.send("DELETE", self._path(names))

    def _parse(self, response: Any, names: tuple[str, ...]) -> V:
        record: V = self.record.from_json(response, names[:-1])
        return record

    def _path(self, names: tuple[str, ...], count: int | None = None) -> str:
        expected = len(self.steps) if count is None else count
        if len(names) != expected:
            raise InvalidInput(f"{expected} names ({', '.join(self.steps[:expected])}) were expected, not {names}")
        parts = [part for pair in zip(self.steps, names, strict=False) for part in pair]
        return path(*parts, *self.steps[expected:])


class Collections(ResourceClient[Collection]):
    """The collections of a server."""

    record, steps, plural = Collection, ("collection",), "collections"


class CoordinateFrames(ResourceClient[CoordinateFrame]):
    """The coordinate frames of a server; their extents and voxel sizes cannot be changed."""

    record, steps, plural = CoordinateFrame, ("coord",), "coords"

    def make_public(self, *names: str, public: bool = True) -> None:
        """Raise an error: coordinate frames are public.

        Raises
        ------
        InvalidInput
            Always.
        """
        raise InvalidInput("coordinate frames are always public")


class Experiments(ResourceClient[Experiment]):
    """The experiments of a server: ``list(collection)``, ``get(collection, experiment)``."""

    record, steps, plural = Experiment, ("collection", "experiment"), "experiments"


class Channels(ResourceClient[Channel]):
    """The channels of a server: ``list(collection, experiment)``, ``get(collection, experiment, channel)``."""

    record, steps, plural = Channel, ("collection", "experiment", "channel"), "channels"

    def _parse(self, response: Any, names: tuple[str, ...]) -> Channel:
        """Return the record; a channel of the public server that lies in a bucket and names none is in `OPEN_DATA`."""
        if isinstance(response, dict) and same_host(self._api.base, DEFAULT_HOST) and not response.get("bucket"):
            response = {**response, "bucket": OPEN_DATA}
        return super()._parse(response, names)
