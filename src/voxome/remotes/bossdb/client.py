"""A BossDB server: projects, metadata, groups, permissions, users."""

from __future__ import annotations

from voxome.remotes.bossdb.downsampling import Downsampling
from voxome.remotes.bossdb.groups import Groups
from voxome.remotes.bossdb.metadata import Metadata
from voxome.remotes.bossdb.permissions import PermissionSets
from voxome.remotes.bossdb.projects import Channels, Collections, CoordinateFrames, Experiments
from voxome.remotes.bossdb.service import api_at
from voxome.remotes.bossdb.users import Users


class BossDB:
    """A BossDB server.

    Parameters
    ----------
    host : str
        URL of the server, ``https://…`` or ``http://…``.

    Attributes
    ----------
    collections, experiments, channels, coordinate_frames
        ``list``, ``get``, ``create``, ``update``, ``make_public``, ``delete``.
    groups : Groups
        Groups, with ``.members`` and ``.maintainers``.
    permissions : PermissionSets
        Permissions of groups.
    users : Users
        Users and their roles.
    downsampling : Downsampling
        Coarser resolutions, computed by the server.

    Examples
    --------
    ::

        boss = voxome.connect("bossdb://api.bossdb.io")
        boss.collections.list()
        boss.channels.get("witvliet2020", "Dataset_2", "em").dtype
        boss.permissions.add("my-lab", "collection", "experiment", rights=["read"])
        boss.metadata("collection", "experiment")["stain"] = "osmium"
    """

    def __init__(self, host: str) -> None:
        api = self._api = api_at(host)
        self.collections, self.experiments = Collections(api), Experiments(api)
        self.channels, self.coordinate_frames = Channels(api), CoordinateFrames(api)
        self.groups, self.permissions, self.users = Groups(api), PermissionSets(api), Users(api)
        self.downsampling = Downsampling(api)

    def __repr__(self) -> str:
        return f"BossDB({self.url!r})"

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._api.base

    def metadata(self, *names: str) -> Metadata:
        """Return the metadata of a collection, experiment or channel: a mutable mapping."""
        return Metadata(self._api, *names)
