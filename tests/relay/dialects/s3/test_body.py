"""Bodies in frames, with signatures and checksums."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.dialects.s3.service import BOB, client, code_of, keys_of, serving_stores, with_store

from voxome.relay.dialects.s3.checksums import ReflectedCrc
from voxome.relay.dialects.s3.errors import S3Error
from voxome.relay.dialects.s3.framing import Frames

PATH = "/s3/zarr3/scratch/k"
EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED, SIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving_stores(with_store(tmp_path)) as url:
        yield url


class Signer:
    """Signs requests as their specification says, on its own."""

    def __init__(self, url: str, payload: str, headers: Mapping[str, str]) -> None:
        self.date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.date[:8]}/us-east-1/s3/aws4_request"
        self.key = f"AWS4{BOB.secret}".encode()
        for one in self.scope.split("/"):
            self.key = hmac.digest(self.key, one.encode(), "sha256")
        self.headers = {
            "host": urlsplit(url).netloc, "x-amz-content-sha256": payload, "x-amz-date": self.date, **headers,
        }  # fmt: skip
        names = sorted(self.headers)
        lines = ["PUT", quote(PATH), "", *(f"{name}:{self.headers[name]}" for name in names), "", ";".join(names)]
        request = hashlib.sha256("\n".join([*lines, payload]).encode()).hexdigest()
        self.previous = self.sign(f"AWS4-HMAC-SHA256\n{self.date}\n{self.scope}\n{request}")
        self.headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={BOB.access_key}/{self.scope}, SignedHeaders={';'.join(names)}, "
            f"Signature={self.previous}"
        )

    def sign(self, text: str) -> str:
        return hmac.digest(self.key, text.encode(), "sha256").hex()

    def next(self, kind: str, *digests: str) -> str:
        lines = [f"AWS4-HMAC-SHA256-{kind}", self.date, self.scope, self.previous, *digests]
        self.previous = self.sign("\n".join(lines))
        return self.previous

    def frame(self, data: bytes) -> bytes:
        signature = self.next("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        head = f"{len(data):x};chunk-signature={signature}\r\n".encode()
        return head + data + (b"\r\n" if data else b"")

    def trailer(self, line: str) -> bytes:
        signature = self.next("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        return f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


def send(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("PUT", PATH, body, dict(headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def stored(url: str) -> bytes | None:
    s3 = client(url)
    if not keys_of(s3, "zarr3"):
        return None
    content: bytes = s3.get_object(Bucket="zarr3", Key="scratch/k")["Body"].read()
    return content


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


DATA = [b"a" * 8192, b"b" * 8192, b"c" * 100]
WHOLE = b"".join(DATA)


@pytest.mark.parametrize("fault", ["", "data", "signature", "order", "cut", "longer"])
def test_signed_frames_are_verified(url: str, fault: str) -> None:
    signer = Signer(
        url, SIGNED, {"content-encoding": "aws-chunked,gzip", "x-amz-decoded-content-length": str(len(WHOLE))}
    )
    frames = [signer.frame(one) for one in [*DATA, b""]]
    if fault == "data":
        frames[1] = frames[1].replace(b"b" * 8192, b"x" * 8192)
    if fault == "signature":
        frames[0] = frames[0].replace(b"signature=", b"signature=0", 1)
    if fault == "order":
        frames[0], frames[1] = frames[1], frames[0]
    if fault == "cut":
        frames.pop()
    body = b"".join(frames) + b"\r\n" + b"x" * (fault == "longer")
    status, _ = send(url, signer.headers, body)
    if fault:
        assert status in (400, 403)
        assert stored(url) is None
    else:
        assert status == 200
        assert stored(url) == WHOLE
        found = client(url).head_object(Bucket="zarr3", Key="scratch/k")
        assert found["ContentEncoding"] == "gzip"


@pytest.mark.parametrize("fault", ["", "checksum", "signature", "missing"])
def test_signed_trailers_are_verified(url: str, fault: str) -> None:
    headers = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": str(len(WHOLE))}
    signer = Signer(url, f"{SIGNED}-TRAILER", headers)
    body = b"".join(signer.frame(one) for one in [*DATA, b""])
    trailer = signer.trailer(f"x-amz-checksum-crc32:{crc32(b'x' if fault == 'checksum' else WHOLE)}")
    if fault == "signature":
        trailer = trailer.replace(b"signature:", b"signature:0", 1)
    if fault == "missing":
        trailer = b"\r\n"
    status, text = send(url, signer.headers, body + trailer)
    assert status == {"": 200, "checksum": 400, "signature": 403, "missing": 400}[fault], text
    assert ("BadDigest" in text) == (fault == "checksum")
    assert stored(url) == (None if fault else WHOLE)


@pytest.mark.parametrize("payload", [UNSIGNED, "UNSIGNED-PAYLOAD"])
@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_unsigned_frames_are_taken_apart(url: str, payload: str, end: bytes) -> None:
    headers = {
        "x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": str(len(WHOLE)),
        "content-encoding": "aws-chunked",
    }  # fmt: skip
    frames = b"".join(f"{len(one):x}\r\n".encode() + one + b"\r\n" for one in DATA)
    body = frames + f"0\r\nx-amz-checksum-crc32:{crc32(WHOLE)}\r\n".encode() + end
    status, text = send(url, Signer(url, payload, headers).headers, body)
    if end:
        assert status == 200, text
        assert stored(url) == WHOLE
        assert "ContentEncoding" not in client(url).head_object(Bucket="zarr3", Key="scratch/k")
    else:
        assert status == 400
        assert stored(url) is None


def test_a_body_with_another_sha256_than_was_signed_is_refused(url: str) -> None:
    signer = Signer(url, hashlib.sha256(b"x").hexdigest(), {})
    status, text = send(url, signer.headers, b"y")
    assert (status, "XAmzContentSHA256Mismatch" in text) == (400, True)
    assert stored(url) is None
    assert send(url, Signer(url, hashlib.sha256(b"y").hexdigest(), {}).headers, b"y")[0] == 200


@pytest.mark.parametrize("coding", ["aws-chunked", "gzip, AWS-Chunked"])
def test_a_header_that_is_not_signed_makes_no_frames_of_a_body_whose_sha256_is(url: str, coding: str) -> None:
    signer = Signer(url, hashlib.sha256(b"good").hexdigest(), {})
    assert send(url, signer.headers, b"good")[0] == 200
    frames = b"4\r\nEVIL\r\n0\r\n\r\n"
    for payload, body in ((b"good", frames), (frames, frames)):
        signer = Signer(url, hashlib.sha256(payload).hexdigest(), {})
        status, text = send(url, {**signer.headers, "content-encoding": coding}, body)
        assert (status, "InvalidArgument" in text) == (400, True)
    assert stored(url) == b"good"


@pytest.mark.parametrize("length", ["5", "6", "x", "99999999999999999999"])
def test_a_body_of_another_length_than_announced_is_refused(url: str, length: str) -> None:
    headers = {"x-amz-decoded-content-length": length}
    assert send(url, Signer(url, "UNSIGNED-PAYLOAD", headers).headers, b"1\r\nx\r\n0\r\n\r\n")[0] == 400
    assert stored(url) is None


def test_other_ways_of_sending_a_body_are_not_offered(url: str) -> None:
    signer = Signer(url, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", {})
    status, text = send(url, signer.headers, b"0\r\n\r\n")
    assert (status, "NotImplemented" in text) == (501, True)


@pytest.mark.parametrize(
    ("header", "right"),
    [
        ("content-md5", base64.b64encode(hashlib.md5(WHOLE).digest()).decode()),
        ("x-amz-checksum-crc32", crc32(WHOLE)),
        ("x-amz-checksum-sha1", base64.b64encode(hashlib.sha1(WHOLE).digest()).decode()),
        ("x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(WHOLE).digest()).decode()),
    ],
)
def test_checksums_in_headers_are_verified(url: str, header: str, right: str) -> None:
    wrong = base64.b64encode(bytes(len(base64.b64decode(right)))).decode()
    for value, status, code in ((wrong, 400, "BadDigest"), ("x", 400, "InvalidDigest"), (right, 200, "")):
        found, text = send(url, Signer(url, "UNSIGNED-PAYLOAD", {header: value}).headers, WHOLE)
        assert found == status, text
        assert code in text
        assert (stored(url) is None) == (status == 400)


def test_an_unknown_checksum_is_refused(url: str) -> None:
    signer = Signer(url, "UNSIGNED-PAYLOAD", {"x-amz-checksum-md9": "AAAA"})
    assert send(url, signer.headers, WHOLE)[0] == 400


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_boto3_sends_its_checksums(url: str, algorithm: str) -> None:
    s3 = client(url)
    sent = s3.put_object(Bucket="zarr3", Key="scratch/k", Body=WHOLE, ChecksumAlgorithm=algorithm)
    assert sent[f"Checksum{algorithm}"]
    assert stored(url) == WHOLE
    assert code_of(lambda: s3.put_object(Bucket="zarr3", Key="scratch/k", Body=b"x", ContentMD5="AAAA"))[1] == 400
    assert stored(url) == WHOLE


@pytest.mark.parametrize(
    ("polynomial", "bits", "expected"), [(0x82F63B78, 32, 0xE3069283), (0x9A6C9329AC4BC9B5, 64, 0xAE8B14860A799888)]
)
def test_cyclic_checksums_have_their_published_values(polynomial: int, bits: int, expected: int) -> None:
    crc = ReflectedCrc(polynomial, bits)
    crc.update(b"123456789")
    assert int.from_bytes(crc.digest(), "big") == expected


@given(
    st.integers(0, 3 * 2**16), st.integers(0, 3 * 2**16), st.sampled_from([(0x82F63B78, 32), (0x9A6C9329AC4BC9B5, 64)])
)
def test_cyclic_checksums_do_not_depend_on_pieces(size: int, cut: int, kind: tuple[int, int]) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, "uint8").tobytes()
    whole, pieces = ReflectedCrc(*kind), ReflectedCrc(*kind)
    for start in range(0, size, 999):
        whole.update(data[start : start + 999])
    pieces.update(data[:cut])
    pieces.update(data[cut:])
    assert whole.digest() == pieces.digest()


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.integers(1, 20))
def test_frames_may_arrive_in_any_pieces(parts: list[bytes], step: int) -> None:
    body = b"".join(f"{len(one):x}\r\n".encode() + one + b"\r\n" for one in parts) + b"0\r\nx-a:b\r\n\r\n"
    frames = Frames(None)
    found = b"".join(b"".join(frames.feed(body[at : at + step])) for at in range(0, len(body), step))
    frames.finish()
    assert (found, frames.trailers) == (b"".join(parts), {"x-a": "b"})


@given(st.binary(max_size=200))
def test_garbage_is_refused_as_frames(body: bytes) -> None:
    frames = Frames(None)
    try:
        found = b"".join(frames.feed(body))
        frames.finish()
    except S3Error:
        return
    assert body.lstrip(b"0").startswith(b"\r\n") or found  # frames, by chance
