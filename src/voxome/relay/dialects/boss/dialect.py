"""The BossDB dialect of a relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.routing import BaseRoute, Mount

from voxome.relay.dialects.boss.downsampler import Downsampler
from voxome.relay.dialects.boss.serve import boss_app
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.relay import Relay


class BossDialect:
    """BossDB's REST API v1, as strict as the real server, at the root of the address.

    Parameters
    ----------
    relay : Relay
        Its catalogue has the projects; their voxels are under its data URI. Its sources are channels too, described
        when they are first needed.

    Attributes
    ----------
    state : BossState
        Projects, permissions and voxels.
    """

    def __init__(self, relay: Relay) -> None:
        self.state = BossState(relay)
        self._downsampler = Downsampler(self.state)
        self._relay = relay

    def routes(self) -> Sequence[BaseRoute]:
        return [Mount("/", app=boss_app(self.state, self._downsampler, self._relay.threads, self._relay.look_ups))]

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return the address of a source as a channel; nothing if it is none."""
        key = self.state.publication.key_of(name)
        if key is None:
            return {}
        collection, experiment, channel = map(quote, key)
        return {"boss": f"v1/collection/{collection}/experiment/{experiment}/channel/{channel}/"}

    def close(self) -> None:
        self._downsampler.close()
