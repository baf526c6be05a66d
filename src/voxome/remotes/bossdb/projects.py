"""Collections, experiments, channels and coordinate frames: list, get, create, update, publish, delete."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from voxome.errors import InvalidInput, UnknownName
from voxome.remotes.bossdb.service import path, understood
from voxome.remotes.bossdb.values import Channel, Collection, CoordinateFrame, Described, Experiment
from voxome.remotes.http import Api

V = TypeVar("V", bound=Described)


class Things(Generic[V]):
    """What the server keeps of one kind; `names` run from the collection down to the thing itself."""

    kind: ClassVar[type[Any]]
    steps: ClassVar[tuple[str, ...]]
    """Words of the path, one before each name."""
    listed: ClassVar[str]
    """The server's word for a list of them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self, *above: str) -> list[str]:
        """The names of those inside what `above` names."""
        place = self._place(above, len(self.steps) - 1)
        with understood(place):
            return [str(name) for name in self._api.json("GET", place)[self.listed]]

    def get(self, *names: str) -> V:
        """One of them.

        Raises
        ------
        NotFound
            If there is none of that name.
        """
        return self._told(self._api.json("GET", self._place(names)), names)

    def create(self, new: V) -> V:
        """Make it; gives what the server made of it.

        Raises
        ------
        InvalidInput, AlreadyExists
            If the server refuses it; the message is the server's.
        """
        return self._told(self._api.json("POST", self._place(new.names), json=new.body()), new.names)

    def update(self, *names: str, **changes: Any) -> V:
        """Change some fields, ``name="…"`` renames; gives what the server made of it.

        Raises
        ------
        UnknownName
            If a field is none, or cannot be changed.
        """
        for field in changes:
            if field not in self.kind.changeable:
                raise UnknownName.of("changeable field", field, self.kind.changeable)
        body = {self.kind.words.get(field, field): value for field, value in changes.items()}
        return self._told(self._api.json("PUT", self._place(names), json={"name": names[-1], **body}), names)

    def make_public(self, *names: str, public: bool = True) -> None:
        """Let anybody read it, or no more."""
        self._api.send("PUT", self._place(names), json={"public": public})

    def delete(self, *names: str) -> None:
        """Remove it; the server refuses while something is in it, or uses it."""
        self._api.send("DELETE", self._place(names))

    def _told(self, told: Any, names: tuple[str, ...]) -> V:
        value: V = self.kind.told(told, names[:-1])
        return value

    def _place(self, names: tuple[str, ...], count: int | None = None) -> str:
        wanted = len(self.steps) if count is None else count
        if len(names) != wanted:
            raise InvalidInput(f"{wanted} names ({', '.join(self.steps[:wanted])}) were expected, not {names}")
        parts = [part for pair in zip(self.steps, names, strict=False) for part in pair]
        return path(*parts, *self.steps[wanted:])


class Collections(Things[Collection]):
    """The collections of a server."""

    kind, steps, listed = Collection, ("collection",), "collections"


class CoordinateFrames(Things[CoordinateFrame]):
    """The coordinate frames of a server; their extents and voxel sizes cannot be changed."""

    kind, steps, listed = CoordinateFrame, ("coord",), "coords"

    def make_public(self, *names: str, public: bool = True) -> None:
        """Frames are open to anybody.

        Raises
        ------
        InvalidInput
            Always.
        """
        raise InvalidInput("a coordinate frame is open to anybody: there is nothing to make public")


class Experiments(Things[Experiment]):
    """The experiments of a server: ``list(collection)``, ``get(collection, experiment)``."""

    kind, steps, listed = Experiment, ("collection", "experiment"), "experiments"


class Channels(Things[Channel]):
    """The channels of a server: ``list(collection, experiment)``, ``get(collection, experiment, channel)``."""

    kind, steps, listed = Channel, ("collection", "experiment", "channel"), "channels"
