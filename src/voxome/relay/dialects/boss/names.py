"""Names of the relay's sources in BossDB: collection, experiment and channel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from voxome.errors import AlreadyExists

ChannelKey = tuple[str, str, str]
"""Names of a collection, an experiment and a channel."""

_OTHER = re.compile(r"[^A-Za-z0-9_-]")


def channel_key(name: str) -> ChannelKey:
    """Return the names of a source that has no others in BossDB.

    The parts of its name are those of collection, experiment and channel. The last one stands for those that are
    missing, those in the middle are joined by ``_``, and so is what BossDB does not allow.

    Examples
    --------
    >>> channel_key("em"), channel_key("lab/em"), channel_key("lab/brain/em")
    (('em', 'em', 'em'), ('lab', 'em', 'em'), ('lab', 'brain', 'em'))
    >>> channel_key("lab/brain/v1.2/em")
    ('lab', 'brain_v1_2', 'em')
    """
    first, *middle = [_OTHER.sub("_", part) for part in name.split("/")]
    last = middle.pop() if middle else first
    return first, "_".join(middle) or last, last


def channel_keys(names: Iterable[str], given: Mapping[str, str]) -> dict[ChannelKey, str]:
    """Return sources by their names in BossDB.

    Parameters
    ----------
    names : iterable of str
        Names of the sources.
    given : mapping
        Source → ``COLLECTION/EXPERIMENT/CHANNEL``, where it is not derived from the name.

    Raises
    ------
    AlreadyExists
        If two have the same name: clients would read and write one in place of the other.
    """
    found: dict[ChannelKey, str] = {}
    for name in sorted(names, key=lambda one: (one not in given, one.count("/") != 2, one)):
        collection, experiment, channel = given[name].split("/") if name in given else channel_key(name)
        other = found.setdefault((collection, experiment, channel), name)
        if other != name:
            path = f"{collection}/{experiment}/{channel}"
            raise AlreadyExists(
                f"{other} and {name} are both the channel {path} of BossDB; give {name} another name there, as "
                f'boss = "{path}-2"'
            )
    return found


def frame_name(collection: str, experiment: str) -> str:
    """Return the name of the coordinate frame of an experiment with sources of the relay."""
    return f"CF_{collection}_{experiment}"
