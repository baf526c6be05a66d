"""A relay: the sources that it serves, who may use them, and where its dialects store their data."""

from __future__ import annotations

from dataclasses import dataclass, field

from voxome.relay.accounts import Accounts
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.sources import Sources


@dataclass(frozen=True)
class Relay:
    """The core for which dialects translate requests.

    Attributes
    ----------
    catalogue : Catalogue
        Records of accounts and dialects.
    accounts : Accounts
        Who calls.
    data : str
        URI under which dialects create volumes: ``memory://NAME`` or ``zarr://FOLDER``.
    sources : Sources
        What is served.
    largest_cutout_bytes : int
        Limit of one request's voxels, uncompressed.
    """

    catalogue: Catalogue
    accounts: Accounts
    data: str
    sources: Sources = field(default_factory=Sources)
    largest_cutout_bytes: int = 520 * 2**20
