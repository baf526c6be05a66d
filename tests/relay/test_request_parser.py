from __future__ import annotations

import sys

import httptools
import pytest

from voxome.relay.request_parser import RequestParser

UPGRADE = b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"


class _Requests:
    """Keeps URL, names of the headers, and body of what was parsed."""

    def __init__(self) -> None:
        self.ended: list[tuple[bytes, list[bytes], bytes]] = []
        self._url, self._names, self._body = b"", list[bytes](), b""

    def on_message_begin(self) -> None:
        self._url, self._names, self._body = b"", [], b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._names.append(name.lower())

    def on_headers_complete(self) -> None:
        self._names.append(b"")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.ended.append((self._url, self._names, self._body))


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Content-Length: 5\r\n", b"12345"), (b"Transfer-Encoding: chunked\r\n", b"3\r\n123\r\n2\r\n45\r\n0\r\n\r\n")],
)
def test_requests_that_offer_another_protocol_are_read_like_others(framing: bytes, body: bytes, piece: int) -> None:
    requests = _Requests()
    parser = RequestParser(requests)
    sent = b"GET /a HTTP/1.1\r\n" + UPGRADE + b"\r\n"
    sent += b"POST /b HTTP/1.1\r\n" + UPGRADE + framing + b"\r\n" + body
    sent += b"PUT /c HTTP/1.1\r\n" + framing + b"\r\n" + body
    sent += b"POST /d HTTP/1.1\r\n" + UPGRADE + framing + b"\r\n" + body
    for start in range(0, len(sent), piece):
        parser.feed_data(sent[start : start + piece])
    name, offered = framing.partition(b":")[0].lower(), [b"upgrade", b"connection"]
    assert requests.ended == [
        (b"/a", [*offered, b""], b""),
        (b"/b", [*offered, name, b""], b"12345"),
        (b"/c", [name, b""], b"12345"),
        (b"/d", [*offered, name, b""], b"12345"),
    ]


def test_any_number_of_such_requests_may_come_at_once() -> None:
    requests, count = _Requests(), 3 * sys.getrecursionlimit()
    RequestParser(requests).feed_data((b"GET /a HTTP/1.1\r\n" + UPGRADE + b"\r\n") * count)
    assert len(requests.ended) == count


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(httptools.HttpParserError):
        RequestParser(_Requests()).feed_data(b"\x00\x01\r\n\r\n")
