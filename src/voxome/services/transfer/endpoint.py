"""The two ends of a transfer: URIs, or volumes that are open."""

from __future__ import annotations

from dataclasses import dataclass

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import NotFound
from voxome.resources.open import absolute, locate, open_source
from voxome.resources.volume import Volume

_OF_THIS_PROCESS = ("", "memory")


@dataclass(frozen=True)
class Endpoint:
    """One end.

    Attributes
    ----------
    uri : str
        As another process can open it, and as it is printed: without a password.
    text : str
        As the user gave it.
    given : VolumeSource, optional
        Where the user gave it open.
    """

    uri: str
    text: str
    given: VolumeSource | None = None

    @classmethod
    def of(cls, end: str | Volume, level: int = 0) -> Endpoint:
        """The end that a user means, at `level` of its pyramid."""
        if isinstance(end, Volume):
            volume = end.level(level) if level else end
            return cls(_whole(volume.uri) if volume.uri else "", volume.uri, volume.source)
        text = at_level(end, level)
        return cls(_whole(text), text)

    @property
    def scheme(self) -> str:
        """Of its URI."""
        return self.uri.partition("://")[0] if "://" in self.uri else ""

    @property
    def reachable(self) -> bool:
        """Whether other processes can open it."""
        return self.scheme not in _OF_THIS_PROCESS

    def open(self, mode: Mode = "r") -> VolumeSource:
        """Its source."""
        return self.given or open_source(self.text, mode=mode)

    def fresh(self) -> VolumeSource:
        """A reader that has not seen what was written, where the end has a URI."""
        return open_source(self.text) if self.scheme else self.open()

    def level(self, number: int) -> Endpoint:
        """Level `number` of this end; itself for 0."""
        if not number:
            return self
        pyramid = ability(self.given, SupportsLevels) if self.given else None
        given = pyramid.level(number) if pyramid else None
        return Endpoint(at_level(self.uri, number), at_level(self.text, number), given)


def at_level(text: str, level: int) -> str:
    """The URI of a level of what `text` names; `text` itself for 0."""
    if not level:
        return text
    return f"{text}{'&' if Uri.parse(text).query else '?'}level={level}"


def _whole(text: str) -> str:
    """The URI of `text`, as it holds in any working directory; `text` itself where there is nothing to be found."""
    try:
        return str(absolute(locate(text)))
    except NotFound:
        return text
