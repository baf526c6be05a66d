"""A BossDB server for tests: the relay's dialect on a real socket of this machine.

Examples
--------
>>> import httpx
>>> with serving() as boss:
...     httpx.get(f"{boss.url}/v1/collection/", headers=boss.headers()).json()
{'collections': []}
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from voxome.relay.access import Access
from voxome.relay.app import application
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.catalogue.records import Role, Token, User
from voxome.relay.catalogue.secrets import digest, new_token
from voxome.relay.relay import Relay
from voxome.relay.serve import in_thread
from voxome.relay.voxels import VolumeStore, Voxels


@dataclass(frozen=True)
class Boss:
    """A server that runs.

    Attributes
    ----------
    url : str
        ``http://127.0.0.1:PORT``, without a slash at its end.
    token : str
        Of the user ``admin``, who may do everything.
    relay : Relay
        What is served: tests may look into its catalogue and voxels.
    """

    url: str
    token: str = field(repr=False)
    relay: Relay = field(repr=False)

    def headers(self, token: str | None = None) -> dict[str, str]:
        """The header that says who calls: the admin if no `token` is given."""
        return {"Authorization": f"Token {self.token if token is None else token}"}

    def add_user(self, name: str, *roles: str) -> str:
        """Make a user with `roles` (``resource-manager``, ``user-manager``, ``admin``) and give them a token."""
        token = new_token()
        known = [User(name=name), *(Role(user=name, role=role) for role in roles)]
        self.relay.catalogue.write(add=[*known, Token(digest=digest(token), user=name)])
        return token


@contextmanager
def serving(
    *, catalogue: Catalogue | None = None, voxels: Voxels | None = None, largest_cutout_bytes: int = 520 * 2**20
) -> Iterator[Boss]:
    """Serve BossDB's API from a thread of this process, on a free port of 127.0.0.1.

    Everything that the real server refuses is refused: an annotation channel needs a source channel that is there,
    zeros that are written do not overwrite (``to_black`` does), boxes lie in the coordinate frame.

    Parameters
    ----------
    catalogue : Catalogue, optional
        An empty one in memory if None.
    voxels : Voxels, optional
        In memory if None.
    largest_cutout_bytes : int
        Of one request, uncompressed.
    """
    token = new_token()
    known = MemoryCatalogue() if catalogue is None else catalogue
    place = VolumeStore(f"memory://boss-{uuid4().hex}") if voxels is None else voxels
    relay = Relay(known, place, Access(known, {digest(token): "admin"}), largest_cutout_bytes)
    with in_thread(application(relay)) as url:
        yield Boss(url, token, relay)
