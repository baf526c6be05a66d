"""Objects of a relay, read with boto3 and tensorstore."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import boto3  # type: ignore[import-untyped]
import httpx
import pytest
import tensorstore as ts
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from numpy.testing import assert_array_equal
from relay.serving import stored
from starlette.requests import Request

from voxome.errors import AccessDenied, InvalidInput, NotFound
from voxome.relay.accounts import Accounts, Membership, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.s3.dialect import S3Dialect
from voxome.relay.dialects.s3.documents import error_document
from voxome.relay.dialects.s3.keys import InvalidKeyPair, KeyPair, Keys, create_key_pair, revoke_key_pair
from voxome.relay.dialects.s3.signature import verify
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

DATA = noise((70, 64, 100), "uint16")
CATALOGUE = MemoryCatalogue()
CATALOGUE.write(add=[User(name="bob"), User(name="eve"), Membership(group="lab", user="bob", rank="member")])
BOB, EVE = create_key_pair(CATALOGUE, "bob"), create_key_pair(CATALOGUE, "eve")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A relay of a public volume, a private one, and one that precomputed does not have."""
    sources = Sources()
    sources.add("lab/em", stored(DATA, voxel_size_nm=(40, 4, 4), start=(1, 0, -10)))
    sources.add("lab/private", stored(DATA[:5], kind="labels"), Rights(readers=frozenset({"lab"})))
    sources.add("double", stored(noise((3, 4, 5), "float64")))
    relay = Relay(CATALOGUE, Accounts(CATALOGUE), "memory://unused", sources)
    with in_thread(create_app([S3Dialect(relay)], allow_origins=["*"])) as url:
        yield url


def client(url: str, pair: KeyPair | None, **changes: str) -> Any:
    keys = {"aws_access_key_id": pair.access_key, "aws_secret_access_key": pair.secret} if pair else {}
    retries = {"max_attempts": 1}
    config = Config(signature_version="s3v4" if pair else UNSIGNED, retries=retries)
    return boto3.client("s3", endpoint_url=f"{url}/s3", region_name="us-east-1", config=config, **{**keys, **changes})


def keys_of(s3: Any, bucket: str, **options: Any) -> dict[str, int]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **options)
    return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", ())}


def code_of(call: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return str(raised.value.response["Error"]["Code"])


@pytest.mark.slow
@pytest.mark.parametrize("bucket", ["precomputed", "zarr", "zarr3"])
def test_every_listed_object_has_the_listed_size(url: str, bucket: str) -> None:
    s3 = client(url, BOB)
    listed = keys_of(s3, bucket)
    assert list(listed) == sorted(listed)
    assert {key.split("/")[0] for key in listed} == ({"lab"} if bucket == "precomputed" else {"double", "lab"})
    for key, size in listed.items():
        head, whole = s3.head_object(Bucket=bucket, Key=key), s3.get_object(Bucket=bucket, Key=key)
        assert head["ContentLength"] == len(whole["Body"].read()) == size
        assert head["ETag"] == whole["ETag"]
    assert keys_of(s3, bucket, PaginationConfig={"PageSize": 2}) == listed


def test_folders_are_listed_by_delimiter(url: str) -> None:
    s3 = client(url, None)
    found = s3.list_objects_v2(Bucket="zarr", Delimiter="/", Prefix="lab/em/")
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["lab/em/0/"]
    files = [one["Key"].removeprefix("lab/em/") for one in found["Contents"]]
    assert files == [".zattrs", ".zgroup", ".zmetadata"]
    names = s3.list_objects_v2(Bucket="zarr", Delimiter="/")
    assert [one["Prefix"] for one in names["CommonPrefixes"]] == ["double/", "lab/"]


@pytest.mark.slow
def test_only_what_the_caller_may_read_is_listed(url: str) -> None:
    for pair, private in ((None, False), (EVE, False), (BOB, True)):
        s3 = client(url, pair)
        assert any("private" in key for key in keys_of(s3, "zarr3")) == private
        if not private:
            for call in (s3.get_object, s3.head_object):
                code = code_of(lambda call=call: call(Bucket="zarr3", Key="lab/private/zarr.json"))
                assert code in ("AccessDenied", "403" if pair else "401")
        assert code_of(lambda s3=s3: s3.get_object(Bucket="zarr3", Key="lab/nothing")) == "NoSuchKey"


def test_ranges_and_conditions(url: str) -> None:
    s3, where = client(url, BOB), {"Bucket": "zarr", "Key": "lab/em/0/0/0/0"}
    whole = s3.get_object(**where)
    content = whole["Body"].read()
    for value, part in {"bytes=3-9": slice(3, 10), "bytes=-4": slice(-4, None)}.items():
        assert s3.get_object(**where, Range=value)["Body"].read() == content[part]
    assert code_of(lambda: s3.get_object(**where, Range=f"bytes={len(content)}-")) == "InvalidRange"
    assert code_of(lambda: s3.get_object(**where, IfMatch='"x"')) == "PreconditionFailed"
    assert code_of(lambda: s3.get_object(**where, IfNoneMatch=whole["ETag"])) == "304"


def test_wrong_signatures_are_refused(url: str) -> None:
    other = client(url, BOB, aws_secret_access_key="x" * 40)
    assert code_of(lambda: other.get_object(Bucket="zarr", Key="lab/em/.zgroup")) == "AccessDenied"
    unknown = client(url, BOB, aws_access_key_id="VXUNKNOWN")
    assert code_of(lambda: unknown.list_objects_v2(Bucket="zarr")) == "AccessDenied"


@pytest.mark.slow
def test_signed_urls_work_until_they_expire_and_for_nothing_else(url: str) -> None:
    sign = client(url, BOB).generate_presigned_url
    link = sign("get_object", Params={"Bucket": "zarr3", "Key": "lab/private/zarr.json"}, ExpiresIn=60)
    assert httpx.get(link).status_code == 200
    assert httpx.get(link.replace("zarr.json", "0/zarr.json")).status_code == 403
    assert httpx.get(re.sub("X-Amz-Expires=60", "X-Amz-Expires=6000", link)).status_code == 403
    old = httpx.Request("GET", link)
    scope = {
        "type": "http", "method": "GET", "raw_path": old.url.raw_path, "query_string": old.url.query,
        "headers": [(b"host", old.url.netloc)], "path": old.url.path,
    }  # fmt: skip
    request, now = Request(scope), datetime.now(UTC)
    signature = verify(request, lambda key: BOB.secret, now)
    assert signature is not None
    assert signature.access_key == BOB.access_key
    for late in (timedelta(minutes=2), -timedelta(hours=1)):
        with pytest.raises(AccessDenied, match="expired"):
            verify(request, lambda key: BOB.secret, now + late)


@pytest.mark.parametrize(
    "header", ["Token x", "AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host"]
)
def test_malformed_signatures_are_explained(url: str, header: str) -> None:
    answer = httpx.get(f"{url}/s3/zarr/lab/em/.zgroup", headers={"Authorization": header})
    assert answer.status_code == 400
    assert "<Code>InvalidArgument</Code>" in answer.text


def test_other_calls_are_not_implemented(url: str) -> None:
    s3 = client(url, BOB)
    assert code_of(lambda: s3.get_bucket_acl(Bucket="zarr")) == "NotImplemented"
    assert code_of(lambda: s3.get_object_tagging(Bucket="zarr", Key="lab/em/.zgroup")) == "NotImplemented"
    assert code_of(lambda: s3.delete_bucket(Bucket="zarr")) == "NotImplemented"
    assert code_of(lambda: s3.create_bucket(Bucket="new")) == "NotImplemented"
    assert code_of(lambda: s3.create_bucket(Bucket="zarr")) == "BucketAlreadyOwnedByYou"
    assert code_of(lambda: s3.create_multipart_upload(Bucket="zarr", Key="lab/em/0/0/0/0")) == "NotImplemented"
    answer = httpx.get(f"{url}/s3/zarr/lab/em/.zgroup?partNumber=1")
    assert (answer.status_code, "GET with ?partNumber" in answer.text) == (501, True)
    assert code_of(lambda: s3.list_objects_v2(Bucket="none")) == "NoSuchBucket"
    assert s3.head_bucket(Bucket="zarr")["BucketRegion"] == "us-east-1"
    assert not s3.get_bucket_location(Bucket="zarr")["LocationConstraint"]
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["precomputed", "zarr", "zarr3"]


@pytest.mark.parametrize(
    "query",
    [
        "list-type=2&max-keys=x",
        "list-type=2&continuation-token=%ff",
        "list-type=2&max-keys=-1",
        "list-type=2&prefix=%00",
        "list-type=2&start-after=a%01",
        "marker=%1f",
        "delimiter=%ef%bf%bf",
        "AWSAccessKeyId=a&Signature=b&Expires=1",
    ],
)
def test_wrong_lists_are_explained(url: str, query: str) -> None:
    answer = httpx.get(f"{url}/s3/zarr?{query}")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (400, "*")
    ElementTree.fromstring(answer.content)
    assert "<Code>InvalidArgument</Code>" in answer.text


def test_listings_are_encoded_where_that_is_requested(url: str) -> None:
    answer = httpx.get(f"{url}/s3/zarr?list-type=2&encoding-type=url&prefix=a%20b%2B&delimiter=%2F").text
    assert "<Prefix>a%20b%2B</Prefix>" in answer
    assert "<Delimiter>/</Delimiter>" in answer
    assert "<EncodingType>url</EncodingType>" in answer


def test_control_characters_are_listed_if_they_are_encoded_and_errors_are_xml(url: str) -> None:
    answer = httpx.get(f"{url}/s3/zarr?list-type=2&encoding-type=url&prefix=%00")
    assert answer.status_code == 200
    assert "<Prefix>%00</Prefix>" in answer.text
    ElementTree.fromstring(bytes(error_document("NoSuchKey", "there is no a\0\x01<", 404).body))


@pytest.mark.parametrize("access_key", ["a\0b", "", "VX", "VX0123456789ABCDEF01\n", f"VX{'é' * 18}"])
def test_access_keys_that_none_can_have_are_not_looked_up(access_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryCatalogue, "get", lambda *_: pytest.fail("it was looked up"))
    with pytest.raises(InvalidKeyPair):
        Keys(CATALOGUE, Accounts(CATALOGUE)).secret(access_key)


@pytest.mark.parametrize(
    ("bucket", "driver", "path"),
    [("zarr", "zarr", "0/"), ("zarr3", "zarr3", "0/"), ("precomputed", "neuroglancer_precomputed", "")],
)
def test_tensorstore_reads_arrays(url: str, bucket: str, driver: str, path: str) -> None:
    store = {
        "driver": "s3", "bucket": bucket, "path": f"lab/em/{path}", "endpoint": f"{url}/s3",
        "aws_region": "us-east-1", "aws_credentials": {"type": "anonymous"},
    }  # fmt: skip
    found = ts.open({"driver": driver, "kvstore": store}).result().read().result()
    assert_array_equal(found[..., 0].T if bucket == "precomputed" else found, DATA)


def test_key_pairs_expire_and_are_revoked(url: str) -> None:
    short, other = create_key_pair(CATALOGUE, "bob", lifetime_s=-1), create_key_pair(CATALOGUE, "bob")
    where = {"Bucket": "zarr3", "Key": "lab/private/zarr.json"}
    assert code_of(lambda: client(url, short).get_object(**where)) == "AccessDenied"
    assert client(url, other).get_object(**where)["ContentLength"] > 0
    assert revoke_key_pair(CATALOGUE, other.access_key) == other
    assert code_of(lambda: client(url, other).get_object(**where)) == "AccessDenied"
    with pytest.raises(NotFound, match=other.access_key):
        revoke_key_pair(CATALOGUE, other.access_key)


def test_a_key_pair_hides_its_secret_and_creates_its_user() -> None:
    assert BOB.secret not in repr(BOB)
    create_key_pair(CATALOGUE, "new", groups=["lab"])
    assert CATALOGUE.find(Membership, user="new", group="lab")
    with pytest.raises(InvalidInput, match="public"):
        create_key_pair(CATALOGUE, "public")
