"""Which operation a request wants: by its method, by whether it names an object, and by its query."""

from __future__ import annotations

from collections.abc import Mapping

from voxome.relay.dialects.s3.buckets import (
    CreateBucket,
    GetBucketLocation,
    GetBucketVersioning,
    HeadBucket,
    ListBuckets,
)
from voxome.relay.dialects.s3.bulk_delete import DeleteObjects
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.copies import CopyObject, UploadPartCopy
from voxome.relay.dialects.s3.errors import not_offered
from voxome.relay.dialects.s3.list_objects import ListObjects, ListObjectsV2
from voxome.relay.dialects.s3.multipart import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    ListMultipartUploads,
    ListParts,
    UploadPart,
)
from voxome.relay.dialects.s3.objects import DeleteObject, GetObject, PutObject
from voxome.relay.dialects.s3.operation import Operation

_COPY = "x-amz-copy-source"

_PLAIN: Mapping[tuple[str, str], Operation] = {
    ("GET", "service"): ListBuckets(),
    ("HEAD", "bucket"): HeadBucket(),
    ("GET", "bucket"): ListObjects(),
    ("PUT", "bucket"): CreateBucket(),
    ("GET", "object"): GetObject(),
    ("HEAD", "object"): GetObject(),
    ("PUT", "object"): PutObject(),
    ("DELETE", "object"): DeleteObject(),
}
"""Method and what a request is about → operation, without a subresource."""
_OF_SUBRESOURCE: Mapping[tuple[str, str, str], Operation] = {
    ("GET", "bucket", "list-type"): ListObjectsV2(),
    ("GET", "bucket", "location"): GetBucketLocation(),
    ("GET", "bucket", "versioning"): GetBucketVersioning(),
    ("GET", "bucket", "uploads"): ListMultipartUploads(),
    ("POST", "bucket", "delete"): DeleteObjects(),
    ("POST", "object", "uploads"): CreateMultipartUpload(),
    ("PUT", "object", "uploadId"): UploadPart(),
    ("POST", "object", "uploadId"): CompleteMultipartUpload(),
    ("DELETE", "object", "uploadId"): AbortMultipartUpload(),
    ("GET", "object", "uploadId"): ListParts(),
}
_PARAMETERS = frozenset({
    "prefix", "delimiter", "max-keys", "marker", "start-after", "continuation-token", "encoding-type", "fetch-owner",
    "list-type", "x-id", "partNumber", "part-number-marker", "max-parts", "max-uploads", "key-marker",
    "upload-id-marker",
})  # fmt: skip
"""Parameters that change what is answered, not what is wanted."""


def find_operation(call: S3Call) -> Operation:
    """Return the operation that a request wants.

    Raises
    ------
    S3Error
        If it is not offered.
    """
    method, query = call.request.method, call.request.query_params
    _require_private(call)
    about = "object" if call.key else "bucket" if call.bucket else "service"
    wanted = [name for name in query if not name.lower().startswith("x-amz-")]
    for name in wanted:
        operation = _OF_SUBRESOURCE.get((method, about, name))
        if operation is not None:
            if _COPY in call.headers and isinstance(operation, UploadPart):
                return UploadPartCopy()
            if name == "list-type" and query[name] != "2":
                raise not_offered(f"list-type={query[name]}")
            return operation
    others = [name for name in wanted if name not in _PARAMETERS and (name, query[name]) != ("versionId", "null")]
    if others:
        raise not_offered(f"{method} with ?{others[0]}")
    if _COPY in call.headers and (method, about) == ("PUT", "object"):
        return CopyObject()
    operation = _PLAIN.get((method, about))
    if about == "object" and "partNumber" in query:
        raise not_offered(f"{method} with ?partNumber and no ?uploadId")
    if operation is None:
        raise not_offered(f"{method} of {'an ' if about == 'object' else 'a '}{about}")
    return operation


def _require_private(call: S3Call) -> None:
    """Refuse to give others rights to an object: those of its store or source hold."""
    for name, value in call.headers.items():
        if name.startswith("x-amz-grant-") or (name == "x-amz-acl" and value != "private"):
            raise not_offered(f"the header {name}: {value}")
