"""The registry of public volumes: its entries, the entries it refuses, and downloads of files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.data.registry import read
from voxome.data.registry.entry import Entry, File
from voxome.data.registry.files import fetch
from voxome.data.registry.resolve import resolve
from voxome.errors import CorruptData, InvalidInput, NotFound, StoreError, UnknownName, UnsupportedFormat
from voxome.registry import targets
from voxome.testing.strategies import noise

ALL = read.entries()
ARRAY = noise((4, 5, 6), "uint8")
ENTRY: dict[str, Any] = {
    "name": "mine/em",
    "title": "a crop",
    "uri": "memory://mine",
    "page": "https://example.org",
    "kind": "image",
    "modality": "none",
    "species": "none",
    "sources": ["this test"],
}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace the entries of the registry."""

    def put(**changes: Any) -> None:
        one = Entry.model_validate({**ENTRY, **changes})
        monkeypatch.setattr(read, "entries", lambda: {one.name: one})

    return put


class Server(ThreadingHTTPServer):
    """Serves one file at any address, and counts requests."""

    content = b""
    status = 200
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/crop.h5"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.requests += 1
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of an HDF5 file, and an empty cache."""
    monkeypatch.setenv("VOXOME_CACHE", str(tmp_path / "cache"))
    with h5py.File(tmp_path / "crop.h5", "w") as h5:
        h5["volumes/raw"] = ARRAY
    with Server(("127.0.0.1", 0), Handler) as serving:
        serving.content = (tmp_path / "crop.h5").read_bytes()
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def _in_file(server: Server, sha256: str | None = None) -> dict[str, Any]:
    file = {"url": server.url, "name": "crop.h5", "sha256": sha256}
    return {"uri": "hdf5://{file}/volumes/raw", "file": file}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("one", ALL.values(), ids=lambda one: one.name)
def test_every_entry_is_valid(one: Entry) -> None:
    assert all(text.strip() for text in one.sources)
    assert one.verified is None or one.verified <= date.today()
    if one.uri is not None:
        scheme, _, path = one.uri.partition("://")
        assert scheme in {*targets("voxome.remotes"), "bossdb", "dvid"}
        assert path
        assert ("{file}" in one.uri) == (one.file is not None)
    if one.file is not None:
        assert (one.file.sha256 is None) == (one.file.sha256_source is None)


def test_every_source_is_named() -> None:
    for one in ALL.values():
        assert all(text.startswith("https://") for text in one.sources), one.name


def test_the_volumes_of_the_papers_are_registered() -> None:
    worms = {f"witvliet2020/Dataset_{n}/{what}" for n in range(1, 9) for what in ("em", "segmentation")}
    cells = {f"dyer2017/{what}" for what in ("image", "cells", "vessels")}
    assert worms | cells | {"kasthuri2015/synapse", "prasad2020/image", "ara2016/annotation"} <= set(ALL)
    assert "train" in (ALL["kasthuri2015/em"].note or "")


def test_the_required_volumes_are_registered() -> None:
    places = {name.partition("/")[0] for name in ALL}
    wanted = "hemibrain fib25 optic_lobe minnie65 microns_phase1 cremi snemi3d kasthuri2015 witvliet2020 dyer2017"
    assert {*wanted.split(), "prasad2020", "h01", "fafb"} <= places


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[volumes]]\nname = "a/b"\nlicense = "CC0"', "license"),
        ('[[volumes]]\nname = "a/b"\nvoxel_size_nm = [1, 2]', "voxel_size_nm"),
        ('[[volumes]]\nname = "a/b"\nsources = []', "sources"),
        ("volumes = ", "not a TOML file"),
    ],
)
def test_invalid_entries_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read.entries(tmp_path)


def test_duplicate_names_are_refused(tmp_path: Path) -> None:
    lines = [f"{name} = {value!r}" for name, value in ENTRY.items()]
    (tmp_path / "mine.toml").write_text("\n".join(["[[volumes]]", *lines] * 2))
    with pytest.raises(InvalidInput, match="mine/em is defined twice"):
        read.entries(tmp_path)


def test_a_dataset_is_opened_by_its_name(known: Any, tmp_path: Path) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((4, 6, 8), "uint8"))
    volume[...] = 7
    volume.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    known(uri=f"zarr://{tmp_path}/a.zarr")
    assert int(voxome.open("dataset:mine/em")[...].min()) == 7
    assert voxome.open("dataset:mine/em").uri == f"zarr://{tmp_path}/a.zarr"
    assert voxome.open("dataset:mine/em?level=1").shape == (4, 3, 4)
    assert voxome.open("dataset:mine/em", level=1).shape == (4, 3, 4)


def test_an_unknown_name_suggests_the_closest_match() -> None:
    with pytest.raises(UnknownName, match="did you mean 'kasthuri2015/em'"):
        voxome.open("dataset:kasthuri2015/eм")
    with pytest.raises(NotFound, match="datasets:kasthuri2015"):
        voxome.open("datasets:kasthuri2015/em")


def test_an_entry_without_a_uri_names_its_page(known: Any) -> None:
    known(uri=None)
    with pytest.raises(UnsupportedFormat, match=r"example\.org"):
        resolve("mine/em")


def test_a_file_with_a_known_hash_is_downloaded_once(known: Any, server: Server) -> None:
    known(**_in_file(server, _sha256(server.content)))
    for _ in range(2):
        assert_array_equal(voxome.open("dataset:mine/em"), ARRAY)
    assert server.requests == 1


def test_an_already_filled_cache_is_used(known: Any, server: Server, tmp_path: Path) -> None:
    place = tmp_path / "cache" / "datasets" / "crop.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(server.content)
    for sha256 in (None, _sha256(server.content)):
        known(**_in_file(server, sha256))
        assert_array_equal(voxome.open("dataset:mine/em"), ARRAY)
    place.write_bytes(server.content[:-1])
    with pytest.raises(CorruptData, match=r"remove it"):
        voxome.open("dataset:mine/em")
    assert server.requests == 0


def test_a_file_without_a_hash_is_not_downloaded_automatically(known: Any, server: Server) -> None:
    known(**_in_file(server))
    with pytest.raises(NotFound, match="because its SHA-256 is unknown"):
        voxome.open("dataset:mine/em")
    assert server.requests == 0


def test_a_file_with_another_hash_is_not_kept(known: Any, server: Server, tmp_path: Path) -> None:
    known(**_in_file(server, _sha256(b"other")))
    with pytest.raises(CorruptData, match="has changed"):
        voxome.open("dataset:mine/em")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_server_error_is_reported(known: Any, server: Server) -> None:
    known(**_in_file(server, _sha256(server.content)))
    server.status = 404
    with pytest.raises(StoreError, match=r"crop\.h5 cannot be downloaded"):
        voxome.open("dataset:mine/em")


def test_importing_the_resolver_does_not_load_pooch() -> None:
    import subprocess
    import sys

    code = "import sys, voxome.data.registry.resolve as r; r.resolve('hemibrain/em'); print('pooch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    assert np.isfinite([length for one in ALL.values() for length in one.voxel_size_nm or ()]).all()


def test_download_progress_is_reported(server: Server, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    file = File.model_validate(_in_file(server)["file"])
    path = fetch(file, lambda done, total: progress.append((done, total)))
    assert path.read_bytes() == server.content
    assert progress[-1] == (len(server.content), len(server.content))
