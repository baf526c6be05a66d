"""Questions about buckets."""

from __future__ import annotations

from starlette.responses import Response

from voxome.relay.dialects.s3.body import Received
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.documents import MODIFIED, document
from voxome.relay.dialects.s3.errors import S3Error, not_offered
from voxome.relay.dialects.s3.operation import WithoutBody

REGION = {"x-amz-bucket-region": "us-east-1"}


class ListBuckets(WithoutBody):
    """All buckets."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return their names."""
        entries = [("Bucket", [("Name", one), ("CreationDate", MODIFIED)]) for one in sorted(call.buckets)]
        return document("ListAllMyBucketsResult", [("Buckets", entries)])


class HeadBucket(WithoutBody):
    """Whether a bucket exists, and its region."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return no body."""
        call.require_bucket()
        return Response(headers=REGION)


class GetBucketLocation(WithoutBody):
    """The region of a bucket."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return an empty region, which stands for us-east-1."""
        call.require_bucket()
        return document("LocationConstraint", (), headers=REGION)


class GetBucketVersioning(WithoutBody):
    """Whether a bucket has versions of objects."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return that it has none."""
        call.require_bucket()
        return document("VersioningConfiguration", ())


class CreateBucket(WithoutBody):
    """Create a bucket: there are only those of the formats."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Refuse the request."""
        call.require_name()
        if call.bucket in call.buckets:
            raise S3Error("BucketAlreadyOwnedByYou", f"the bucket {call.bucket} exists", 409)
        raise not_offered("another bucket")
