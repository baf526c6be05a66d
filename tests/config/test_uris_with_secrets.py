"""Secrets in the options of a URI are used, but neither shown nor recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.cli.main import main
from voxome.contracts.handle import Handle
from voxome.contracts.source import Mode, ResourceInfo, VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, InvalidInput, NotFound, PlanError
from voxome.redaction import redact
from voxome.remotes.memory import MemoryRemote
from voxome.resources.listing import ls
from voxome.resources.recognition import get_remote
from voxome.resources.table import TableFile
from voxome.resources.volume_like import location_of
from voxome.services.transfer.endpoint import Endpoint
from voxome.workflow.destinations import Destination
from voxome.workflow.options import IntoOptions

SECRET = "zq7-never-to-be-shown"
URI = f"guarded://lab/em?token={SECRET}"
SHOWN = "guarded://lab/em?token=***"
SHAPE = (4, 8, 8)
SIGNED = f"https://127.0.0.1:9/t.parquet?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}"


class GuardedRemote:
    """Volumes in memory that are opened with a token."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> VolumeSource:
        return get_remote("memory").open(self._plain(uri), mode=mode)  # type: ignore[return-value]

    def create(self, uri: Uri, spec: voxome.VolumeSpec) -> VolumeSource:
        return MemoryRemote().create(self._plain(uri), spec)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        self._plain(uri)
        if uri.path == "lab":
            yield ResourceInfo(f"guarded://lab/below?token={SECRET}", "folder")
        else:
            yield ResourceInfo("guarded://lab/below/em", "volume")

    def _plain(self, uri: Uri) -> Uri:
        if uri.query.get("token") != SECRET:
            raise AccessDenied(f"{uri} needs another token")
        return Uri("memory", f"guarded/{uri.path}")


@pytest.fixture(autouse=True)
def guarded(register_plugin: Callable[[str, str, str], None]) -> None:
    register_plugin("voxome.remotes", "guarded", f"{__name__}:GuardedRemote")


@pytest.fixture
def volume() -> voxome.Volume:
    try:
        return voxome.open(URI, expect=voxome.Volume, mode="r+")
    except NotFound:
        created = voxome.create(URI, voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=(8, 8, 8)))
        created[...] = np.arange(256, dtype=np.uint8).reshape(SHAPE)
        return created


def test_a_volume_shows_no_secret_and_can_be_opened_again(volume: voxome.Volume) -> None:
    assert volume.uri == SHOWN
    for text in (repr(volume), volume._repr_html_(), str(vars(volume)), str(voxome.info(volume))):
        assert SECRET not in text
    assert voxome.open(volume.reveal_uri(), expect=voxome.Volume).shape == SHAPE
    assert location_of(volume) is None


def test_a_uri_is_shown_without_secrets_and_revealed_with_them() -> None:
    uri = Uri.parse(f"lab://https://me:{SECRET}@host/em?level=1&api_key={SECRET}&axes=z,y,x")
    assert str(uri) == "lab://https://host/em?level=1&api_key=***&axes=z,y,x"
    assert Uri.parse(uri.reveal()) == uri
    assert uri.has_secrets
    assert not Uri.parse("zarr:///data/a?token=1/b.zarr?level=1").has_secrets
    assert SECRET not in str(Uri.parse(f"zarr://{SIGNED}"))


@pytest.mark.slow
def test_errors_show_no_secret(volume: voxome.Volume) -> None:
    for error in (AccessDenied(f"GET {URI}"), PlanError([f"{URI} is wrong"])):
        assert SECRET not in f"{error} {error!r} {error.args} {vars(error)}"
    with pytest.raises(AccessDenied) as refused:
        voxome.open(URI.replace("zq7", "zq8"))
    assert "never" not in f"{refused.value!r}"
    with pytest.raises(voxome.VoxomeError) as failed:
        TableFile(SIGNED)
    assert SECRET not in f"{failed.value!r}"


@pytest.mark.slow
def test_functions_use_the_secret(volume: voxome.Volume, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    expected = volume[...]
    assert np.array_equal(np.load(voxome.get(URI, tmp_path / "a.npy")), expected)
    assert np.array_equal(np.load(voxome.get(volume, tmp_path / "b.npy")), expected)
    for source in (URI, volume):
        target = f"zarr://{tmp_path}/{len(list(tmp_path.iterdir()))}.zarr"
        report = voxome.transfer(source, target, workers=2, state=tmp_path)
        assert report.source == SHOWN
        assert np.array_equal(voxome.open(report.destination, expect=voxome.Volume)[...], expected)
    with pytest.raises(InvalidInput, match=r"Only this process can open guarded://lab/em\?token=\*\*\*"):
        voxome.transfer(URI, f"zarr://{tmp_path}/z.zarr", engine="local", state=tmp_path)
    voxome.convert(URI, f"zarr://{tmp_path}/converted.zarr", window="0:255", state=tmp_path)
    assert SECRET not in caplog.text
    assert_not_recorded(tmp_path)


def assert_not_recorded(folder: Path) -> None:
    for file in folder.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


@pytest.mark.slow
def test_a_run_takes_no_uri_with_a_secret_but_the_open_volume(volume: voxome.Volume, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"guarded://lab/em\?token=\*\*\* was given with a user name, password or tok"):
        voxome.tool("common.threshold", {"image": URI, "at": 9.0}, out=tmp_path / "out")
    with pytest.raises(PlanError, match="configure it with a profile"):
        voxome.tool("common.statistics", {"image": f"zarr://http://me:{SECRET}@127.0.0.1:9/a"}, out=tmp_path / "out")
    handles = voxome.tool("common.threshold", {"image": volume, "at": 9.0}, out=tmp_path / "out")
    assert voxome.open(handles["result"].uri, expect=voxome.Volume).shape == SHAPE
    assert_not_recorded(tmp_path)


def test_listings_use_the_secret_and_do_not_show_it() -> None:
    found = ls(f"guarded://lab?token={SECRET}", recursive=True)
    assert [one.uri for one in found] == ["guarded://lab/below?token=***", "guarded://lab/below/em"]


@pytest.mark.slow
def test_the_command_line_shows_no_secret(
    volume: voxome.Volume, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    target: list[Any] = [f"zarr://{tmp_path}/copy.zarr"]
    for words in (
        ["info", URI],
        ["transfer", URI, *target],
        ["put", *target, f"{URI}x"],
        ["put", *target, f"{URI}&a=1"],
    ):
        with pytest.raises(SystemExit):
            main([*words, "--json"])
        with pytest.raises(SystemExit):
            main(words)
    output = capfd.readouterr()
    assert "token=***" in output.out + output.err
    assert SECRET not in output.out + output.err


@pytest.mark.parametrize(
    "address",
    [
        SIGNED,
        f"https://host/c?sv=2022&sig={SECRET}&se=1",
        f"https://host/o?X-Goog-Signature={SECRET}",
        f"s3://bucket/a?X-Amz-Security-Token={SECRET}",
        f"lab://host/a?secret={SECRET}",
    ],
)
def test_signed_addresses_are_redacted(address: str) -> None:
    assert SECRET not in redact(f"cannot read {address}: denied")


def test_destinations_of_a_run_show_no_secret(volume: voxome.Volume) -> None:
    one = Destination("mask", URI, Handle("volume", "zarr://{store}/mask.zarr"), volume.spec, IntoOptions())
    assert one.label == SHOWN
    assert SECRET not in f"{one!r} {one.to_json()} {one.request('/run')!r} {one.request('/run').identity}"


@pytest.mark.slow
def test_a_folder_with_an_at_sign_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    voxome.create("zarr://me@lab/a.zarr", voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=(8, 8, 8)))
    assert Endpoint.of("zarr://me@lab/a.zarr").reachable
    handles = voxome.tool("common.threshold", {"image": "zarr://me@lab/a.zarr", "at": 9.0}, out=tmp_path / "out")
    assert voxome.open(handles["result"].uri, expect=voxome.Volume).shape == SHAPE


@pytest.mark.parametrize("header", ["x-amz-security-token:", "'X-Amz-Security-Token': b'", "Authorization: Bearer "])
def test_headers_with_tokens_are_redacted(header: str) -> None:
    assert SECRET not in redact(f"GET /a {header}{SECRET}\nhost:b")
