"""A BossDB server for tests: the relay's dialect on a real socket of this machine.

Also a command: ``python -m standins.boss --port 8001 --admin-token secret``.

Examples
--------
>>> import httpx
>>> with serving() as boss:
...     httpx.get(f"{boss.url}/v1/collection/", headers=boss.headers()).json()
{'collections': []}
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import uuid4

from voxome.relay.accounts import Accounts, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.dialect import BossDialect
from voxome.relay.dialects.boss.roles import role_record
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.relay import Relay
from voxome.relay.secrets import digest, new_token
from voxome.relay.serve import in_thread, run
from voxome.relay.sources import Sources

LARGEST_CUTOUT_BYTES = 520 * 2**20


@dataclass(frozen=True)
class Boss:
    """A running server.

    Attributes
    ----------
    url : str
        ``http://127.0.0.1:PORT``, without a trailing slash.
    token : str
        Token of the user ``admin``, who may do everything.
    state : BossState
        Its projects and voxels, which tests may inspect.
    """

    url: str
    token: str = field(repr=False)
    state: BossState = field(repr=False)

    def headers(self, token: str | None = None) -> dict[str, str]:
        """Return the headers of a caller with `token`, the admin's if None."""
        return {"Authorization": f"Token {self.token if token is None else token}"}

    def add_user(self, name: str, *roles: str) -> str:
        """Create a user with `roles` (``resource-manager``, ``user-manager``, ``admin``); return a token of theirs."""
        token = new_token()
        records = [User(name=name), *(role_record(name, role) for role in roles)]
        self.state.catalogue.write(add=[*records, Token(digest=digest(token), user=name)])
        return token


@contextmanager
def serving(
    *,
    sources: Sources | None = None,
    largest_cutout_bytes: int = LARGEST_CUTOUT_BYTES,
    names: Mapping[str, str] | None = None,
) -> Iterator[Boss]:
    """Serve BossDB's API from a thread of this process, on a free port of 127.0.0.1, with everything in memory.

    What the real server refuses is refused: an annotation channel needs an existing source channel, zeros that are
    written do not overwrite (``to_black`` does), boxes lie in the coordinate frame.

    Parameters
    ----------
    sources : Sources, optional
        Volumes served as channels, besides those that are created over the API.
    largest_cutout_bytes : int
        Limit of one request, uncompressed.
    names : mapping, optional
        Source → ``COLLECTION/EXPERIMENT/CHANNEL``, where that is not derived from its name.
    """
    token = new_token()
    dialect = _create_dialect(token, sources or Sources(), largest_cutout_bytes, names or {})
    with in_thread(create_app([dialect])) as url:
        yield Boss(url, token, dialect.state)


def _create_dialect(
    token: str,
    sources: Sources,
    largest_cutout_bytes: int = LARGEST_CUTOUT_BYTES,
    names: Mapping[str, str] = MappingProxyType({}),
) -> BossDialect:
    catalogue = MemoryCatalogue()
    accounts = Accounts(catalogue, {digest(token): "admin"})
    data = f"memory://boss-{uuid4().hex}"
    return BossDialect(Relay(catalogue, accounts, data, sources, largest_cutout_bytes, dialect_names={"boss": names}))


def main() -> None:
    """Print the base URL and serve until interrupted."""
    options = argparse.ArgumentParser(prog="python -m standins.boss", description="A BossDB server in memory.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8001, help="0 for any free port")
    options.add_argument("--admin-token", required=True, help="token of the user admin, who may do everything")
    arguments = options.parse_args()
    app = create_app([_create_dialect(arguments.admin_token, Sources())])
    run(app, host=arguments.host, port=arguments.port, started=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
