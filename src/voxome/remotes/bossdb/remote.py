"""``bossdb://[HOST/]COLLECTION/EXPERIMENT/CHANNEL[/RESOLUTION]``: volumes of a BossDB."""

from __future__ import annotations

from collections.abc import Iterator

from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri, NotFound
from voxome.remotes.bossdb.account import default_host
from voxome.remotes.bossdb.address import Address
from voxome.remotes.bossdb.bucket import open_bucket
from voxome.remotes.bossdb.client import BossDB
from voxome.remotes.bossdb.create import check_spec, create_channel, experiment_domain, notes_of
from voxome.remotes.bossdb.description import describe, store_notes
from voxome.remotes.bossdb.projects import Channels, Collections, Experiments
from voxome.remotes.bossdb.service import api_at
from voxome.remotes.bossdb.source import BossdbSource
from voxome.remotes.http import Api

_TYPES = ("collection", "experiment", "volume")


class BossdbRemote:
    """Channels of a BossDB: api.bossdb.io, unless another server is named or configured."""

    uri_options = ()

    def open(self, uri: Uri, *, mode: Mode = "r") -> BossdbSource:
        """Open a channel with its resolutions as levels, or the single resolution that the URI names."""
        address = Address.of(uri).require_channel()
        api = _api(address)
        description = describe(api, address)
        first = next(iter(description.scales))
        resolution = first if address.resolution is None else address.resolution
        if resolution not in description.scales:
            last = max(description.scales)
            raise NotFound(f"{uri} has no resolution {resolution}: its resolutions are {first} to {last}")
        # What is written goes through the API, so that is what a volume open for writing reads.
        bucket = open_bucket(description) if mode == "r" else None
        return BossdbSource(api, description, resolution, mode, pyramid=resolution == first, bucket=bucket)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        """List the collections of a server, the experiments of a collection, or the channels of an experiment."""
        address = Address.of(uri)
        api, depth = _api(address), len(address.names)
        if depth == 3:
            Channels(api).get(*address.names)
            yield ResourceInfo(str(address), _TYPES[-1])
            return
        client = (Collections, Experiments, Channels)[depth](api)
        for name in client.list(*address.names):
            yield ResourceInfo(str(address.child(name)), _TYPES[depth])

    def create(self, uri: Uri, spec: VolumeSpec) -> BossdbSource:
        """Create a channel, and its collection, coordinate frame and experiment if they do not exist.

        ``kind="labels"`` creates an annotation channel. ``spec.encoding`` may have the ``coordinate_frame``, the number
        of ``levels``, the ``hierarchy_method``, and other channels as ``sources`` and ``related``.
        """
        address = Address.of(uri).require_channel()
        if address.resolution:
            raise InvalidUri(f"{uri}: a channel is created at its finest resolution; leave out /{address.resolution}")
        check_spec(spec, str(uri))
        api = _api(address)
        create_channel(api, address, spec)
        description = describe(api, address)
        if notes := notes_of(spec):
            description = description.with_notes(**notes)
            store_notes(api, description)
        return BossdbSource(api, description, 0, "r+", pyramid=True)

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        Address.of(uri).require_channel()
        check_spec(spec, str(uri))

    def adapt_spec(self, uri: Uri, spec: VolumeSpec, levels: int) -> VolumeSpec:
        """Return the spec with the domain of the channels of an existing experiment, if it fits into this."""
        address = Address.of(uri)
        return spec.replace(domain=experiment_domain(_api(address), address, spec))

    def delete(self, uri: Uri) -> None:
        """Delete a channel, or an empty experiment or collection."""
        address = Address.of(uri)
        if not address.names or address.resolution is not None:
            raise InvalidUri(f"{uri} cannot be deleted: name a collection, an experiment or a channel")
        client = (Collections, Experiments, Channels)[len(address.names) - 1](_api(address))
        client.delete(*address.names)

    def connect(self, uri: Uri) -> BossDB:
        """Return a client of the server: projects, metadata, groups, permissions, users."""
        return BossDB(Address.of(uri).host or default_host())


def _api(address: Address) -> Api:
    return api_at(address.host or default_host())
