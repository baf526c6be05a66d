"""A relay: sources, accounts, and storage for its dialects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxome.relay.accounts import Accounts
from voxome.relay.box_locks import SharedBoxLocks, SupportsHold
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.collections import Collections
from voxome.relay.limits import LARGEST_CUTOUT_BYTES
from voxome.relay.look_ups import LookUps
from voxome.relay.sources import Sources
from voxome.relay.stopping import Stopping
from voxome.relay.threads import RequestThreads


@dataclass(frozen=True)
class Relay:
    """The core for which dialects translate requests; one for each application.

    Attributes
    ----------
    catalogue : Catalogue
        Records of accounts and dialects.
    accounts : Accounts
        Callers by their tokens.
    data : str
        URI under which dialects create volumes: ``memory://NAME`` or ``zarr://FOLDER``.
    sources : Sources
        Volumes that are served.
    largest_cutout_bytes : int
        Limit of one request's voxels, uncompressed.
    threads : RequestThreads
        Threads in which the handlers of all dialects run.
    look_ups : LookUps
        Threads in which they search many voxels.
    dialect_names : mapping
        Dialect → source → its name there, where that is not derived from that of the source.
    locks : SupportsHold
        Locks on boxes that dialects write under their data URI, shared with the other processes of the relay.
    stopping : Stopping
        Whether the server is stopping.
    collections : Collections
        Annotations that are served.
    """

    catalogue: Catalogue
    accounts: Accounts
    data: str
    sources: Sources = field(default_factory=Sources)
    largest_cutout_bytes: int = LARGEST_CUTOUT_BYTES
    threads: RequestThreads = field(default_factory=RequestThreads, repr=False)
    look_ups: LookUps = field(default_factory=LookUps, repr=False)
    dialect_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    locks: SupportsHold = field(default_factory=SharedBoxLocks, repr=False)
    stopping: Stopping = field(default_factory=Stopping, repr=False)
    collections: Collections = field(default_factory=Collections)

    @property
    def groups(self) -> frozenset[str]:
        """Groups that the rights of sources, stores and annotations name."""
        rights = [
            *(self.sources.rights(name) for name in self.sources),
            *(store.rights for store in self.sources.stores.values()),
            *(self.collections.rights(name) for name in self.collections),
        ]
        return frozenset[str]().union(*(one.readers | one.writers for one in rights))
