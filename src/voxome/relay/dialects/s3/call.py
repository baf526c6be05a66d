"""A request to the S3 dialect: who sends it, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request

from voxome.errors import AccessDenied, ReadOnly
from voxome.relay.accounts import Caller
from voxome.relay.dialects.s3.errors import Anonymous, S3Error
from voxome.relay.dialects.s3.signature import Signature
from voxome.relay.dialects.volume_files import VolumeFilesDialect
from voxome.relay.permitted import PermittedSources
from voxome.relay.sources import Sources
from voxome.relay.stores.store import Store
from voxome.relay.stores.volumes import METADATA

OBJECT_BUCKETS = frozenset({"zarr", "zarr3"})
"""Buckets that have the objects of stores; all others have volumes in one format only."""


@dataclass(frozen=True)
class S3Call:
    """A request.

    Attributes
    ----------
    request : Request
        With method, query and headers.
    caller : Caller
        Whose key pair has signed it; anonymous without a signature.
    signature : Signature or None
        The signature.
    all_sources : Sources
        Sources and stores of the relay.
    buckets : mapping of str to VolumeFilesDialect
        Buckets by name, with the format of the volumes in each.
    bucket, key : str
        What it is about; empty for all buckets, or all of one.
    """

    request: Request
    caller: Caller
    signature: Signature | None
    all_sources: Sources
    buckets: Mapping[str, VolumeFilesDialect]
    bucket: str = ""
    key: str = ""

    @property
    def sources(self) -> PermittedSources:
        """Sources as far as the caller may use them."""
        return PermittedSources(self.all_sources, self.caller)

    @property
    def files(self) -> VolumeFilesDialect:
        """Format of the volumes in the bucket, which has to exist."""
        self.require_bucket()
        return self.buckets[self.bucket]

    def require_bucket(self) -> None:
        """Check that the bucket exists.

        Raises
        ------
        S3Error
            If it does not.
        """
        if self.bucket not in self.buckets:
            raise S3Error("NoSuchBucket", f"there is no bucket {self.bucket}", 404)

    @property
    def has_objects(self) -> bool:
        """Whether the bucket, which has to exist, has the objects of stores."""
        self.require_bucket()
        return self.bucket in OBJECT_BUCKETS

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the request."""
        return self.request.headers

    def at(self, bucket: str, key: str) -> S3Call:
        """Return the same request about another object."""
        return replace(self, bucket=bucket, key=key)

    def readable_store(self) -> tuple[Store, str] | None:
        """Return the store in which the object is, with its key there; None if it is no store's.

        Raises
        ------
        AccessDenied
            If the caller may not read the store, nor write it where the object is the metadata of a volume.
        """
        found = self._store()
        if found is not None and not (
            found[0].rights.may_read(self.caller)
            or (self.key.rpartition("/")[2] in METADATA and found[0].rights.may_write(self.caller))
        ):
            self.deny(f"no permission to read {found[0].name}")
        return found

    def writable_store(self) -> tuple[Store, str] | None:
        """Return the store in which the object is, to write it; None if it is no store's.

        Raises
        ------
        AccessDenied, ReadOnly
            If the caller may not write the store, or nobody may.
        """
        self.require_name()
        found = self._store()
        if found is not None:
            if not found[0].rights.writers:
                raise ReadOnly(f"{found[0].name} is served read-only")
            if not found[0].rights.may_write(self.caller):
                self.deny(f"no permission to write {found[0].name}")
        return found

    def required_store(self, what: str) -> tuple[Store, str]:
        """Return the store in which the object is, to write it.

        Raises
        ------
        S3Error
            If it is no store's, which do not have `what`.
        """
        found = self.writable_store()
        if found is None:
            raise S3Error("NotImplemented", f"{self.bucket}/{self.key} is in no store, and {what} are only there", 501)
        return found

    def require_name(self) -> None:
        """Refuse anonymous callers, who never write.

        Raises
        ------
        AccessDenied
            If the request is not signed.
        """
        if not self.caller.name:
            self.deny("requests that write have to be signed with a key pair")

    def deny(self, message: str) -> None:
        """Raise that something is not permitted: to this caller, or to nobody without a key pair.

        Raises
        ------
        AccessDenied
            Always.
        """
        raise (AccessDenied if self.caller.name else Anonymous)(message)

    def _store(self) -> tuple[Store, str] | None:
        return self.all_sources.find_store(self.key) if self.has_objects else None
