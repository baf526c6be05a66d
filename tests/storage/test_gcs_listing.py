"""Listing of Google Cloud Storage, by a stand-in that speaks its JSON API, and serves files as public buckets do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, NotFound, StoreError
from voxome.storage import gcs_listing
from voxome.storage.find import storage_at

PAGE = 2


class _Google(BaseHTTPRequestHandler):
    """One bucket, ``public``: the files of `folder`; others are missing, ``private`` refuses."""

    folder: ClassVar[Path]
    queries: ClassVar[list[dict[str, str]]]
    faults: ClassVar[list[int]]
    """Statuses of the next responses to a listing; 0 closes the connection."""

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = unquote(url.path).split("/")
        if url.path.startswith("/storage/v1/b/"):
            self.queries.append(query)
            if self.faults:
                if status := self.faults.pop(0):
                    self._answer(status, b"later")
                return
            self._answer(*self._page(parts[4], query))
        else:
            file = self.folder.joinpath(*parts[2:])
            there = parts[1] == "public" and file.is_file()
            self._answer(200 if there else 404, file.read_bytes() if there else b"")

    def _page(self, bucket: str, query: dict[str, str]) -> tuple[int, bytes]:
        if bucket in ("endless", "large"):
            names = ["a"] if bucket == "endless" else ["a" * 2000]
            return 200, json.dumps({"items": [{"name": name} for name in names], "nextPageToken": "1"}).encode()
        if bucket != "public":
            return {"private": 403, "broken": 500}.get(bucket, 404), b'{"error": {"message": "no"}}'
        prefix, at = query.get("prefix", ""), int(query.get("pageToken", "0"))
        keys = [file.relative_to(self.folder).as_posix() for file in self.folder.rglob("*") if file.is_file()]
        below = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
        names = sorted({f"{key.partition('/')[0]}/" if "/" in key else key for key in below})
        page = [f"{prefix}{name}" for name in names[at : at + PAGE]]
        found = {
            "prefixes": [name for name in page if name.endswith("/")],
            "items": [{"name": name} for name in page if not name.endswith("/")],
            "nextPageToken": str(at + PAGE) if at + PAGE < len(names) else None,
        }
        return 200, json.dumps({key: value for key, value in found.items() if value}).encode()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Google]]:
    """The server, and the queries that it received."""
    handler = type("Google", (_Google,), {"folder": tmp_path, "queries": [], "faults": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr(gcs_listing, "_FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(gcs_listing, "_LONGEST_DELAY_S", 0.001)
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_public_bucket_is_listed_page_by_page_as_a_folder_on_a_disk(tmp_path: Path, google: type[_Google]) -> None:
    for name in ("zarr://a.zarr", "n5://lab/b.n5", "precomputed://lab/deep/c", "zarr://lab/deep/d", "zarr://lab/e"):
        scheme, _, path = name.partition("://")
        voxome.create(f"{scheme}://{tmp_path}/{path}", VolumeSpec.of((4, 5, 6), "uint8"))[...] = 7
    for path in ("", "/lab", "/lab/deep"):
        root = f"gs://public{path}"
        found = voxome.ls(f"{root}?anonymous=true", recursive=True)
        here = [(one.uri.replace(root, "").removesuffix("?anonymous=true"), one.type, one.description) for one in found]
        on_disk = voxome.ls(f"{tmp_path}{path}", recursive=True)
        assert here == [(one.uri.replace(f"{tmp_path}{path}", ""), one.type, one.description) for one in on_disk]
        for info in found:
            assert info.type == "folder" or (voxome.open(info.uri, expect=voxome.Volume)[...] == 7).all()
    assert any("pageToken" in query for query in google.queries)
    assert [len(page.folders) for page in storage_at("gs://public/lab?anonymous=true").pages()] == [2, 1]


@pytest.mark.parametrize(
    ("bucket", "error", "message"),
    [
        ("nowhere", NotFound, "gs://nowhere/a: the bucket does not exist"),
        ("private", AccessDenied, "gs://private/a: the server refuses to list it .403"),
        ("broken", StoreError, "gs://broken/a cannot be listed: the server responded 500"),
        ("public", NotFound, "gs://public/a does not exist"),
    ],
)
def test_what_cannot_be_listed_is_named(
    google: type[_Google], bucket: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        voxome.ls(f"gs://{bucket}/a?anonymous=true")


@pytest.mark.parametrize("fault", [408, 429, 500, 502, 503, 504, 0])
def test_a_page_that_fails_for_now_is_requested_again(
    google: type[_Google], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    for name in "abc":
        (tmp_path / "lab" / name).mkdir(parents=True)
        (tmp_path / "lab" / name / "file").write_text("x")
    monkeypatch.setenv("VOXOME_RETRIES", "2")
    google.faults += [fault, fault]
    assert storage_at("gs://public/lab?anonymous=true").names() == ["a", "b", "c"]
    assert len(google.queries) == 4
    google.faults += [fault] * 3
    with pytest.raises(StoreError, match="gs://public/lab cannot be listed"):
        storage_at("gs://public/lab?anonymous=true").names()
    assert len(google.queries) == 7


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412])
def test_a_refusal_is_not_repeated(google: type[_Google], status: int) -> None:
    google.faults.append(status)
    with pytest.raises((AccessDenied, NotFound, StoreError), match=str(status)):
        storage_at("gs://public/lab?anonymous=true").names()
    assert len(google.queries) == 1


@pytest.mark.parametrize(
    ("bucket", "message"), [("endless", "the server repeats its pages"), ("large", "more than 1,000 bytes")]
)
def test_a_listing_without_an_end_is_given_up_at_once(
    google: type[_Google], monkeypatch: pytest.MonkeyPatch, bucket: str, message: str
) -> None:
    monkeypatch.setattr(gcs_listing, "_LARGEST_BYTES", 1000)
    with pytest.raises(StoreError, match=f"gs://{bucket} cannot be listed.*{message}"):
        voxome.ls(f"gs://{bucket}?anonymous=true")
    assert len(google.queries) == {"endless": 2, "large": 1}[bucket]


def test_missing_credentials_are_named(google: type[_Google], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    with pytest.raises(AccessDenied, match=r"application-default credentials cannot be used.*anonymous=true"):
        list(storage_at("gs://public/a").pages())
    assert google.queries == []
