"""What is refused before any dialect sees it has the form of the API that it is for."""

from __future__ import annotations

import socket
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from relay.serving import stored

from voxome.relay.accounts import Accounts
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.connections import Guard
from voxome.relay.dialect import open_dialects
from voxome.relay.limits import Limits
from voxome.relay.relay import Relay
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources

LONG = {"X-Long": "x" * 3000}


def code_of(answer: httpx.Response) -> str | None:
    assert answer.headers["content-type"] == "application/xml"
    return ElementTree.fromstring(answer.content).findtext("Code")


def raw(url: str, sent: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(sent)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize(("path", "is_xml"), [("/s3/zarr/em/.zgroup", True), ("/raw/em/info", False)])
def test_early_refusals_are_xml_for_clients_of_s3_only(path: str, is_xml: bool) -> None:
    catalogue, sources = MemoryCatalogue(), Sources()
    sources.add("em", stored(np.zeros((4, 4, 4), "uint8")))
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
    limits = Limits(header_s=0.4, body_s=0.3, header_kib=2, requests_per_s=0.01, burst_s=100)
    app = create_app(open_dialects(relay, ["s3", "raw"]), limits=limits)
    with in_thread(app, guard=Guard(limits)) as url:
        late = raw(url, f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n".encode())
        unfinished = raw(url, f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode())
        answers = {
            429: httpx.get(url + path),
            414: httpx.get(f"{url}{path}?{'a' * 20_000}"),
            431: httpx.get(url + path, headers=LONG),
        }
    codes = {429: "SlowDown", 414: "InvalidURI", 431: "RequestHeaderSectionTooLarge"}
    for status, answer in answers.items():
        assert answer.status_code == status
        if is_xml:
            assert code_of(answer) == codes[status]
        else:
            assert set(answer.json()) == {"message"}
    for refused in (late, unfinished):
        assert (b"<Error>" in refused) == is_xml
    assert b" 408 " in unfinished.partition(b"\r\n")[0]
