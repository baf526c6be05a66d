"""The S3 server has what conditional writes need."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from peers.s3 import BUCKET, Bucket

pytestmark = pytest.mark.slow


def test_an_object_is_created_once(bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"second", IfNoneMatch="*")
    assert bucket.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"first"
    assert bucket.keys(key) == [key]
