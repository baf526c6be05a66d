"""Folders that a relay refuses to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import voxome
from voxome.errors import InvalidInput
from voxome.relay.config_file import parse_config
from voxome.relay.opening import prepared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("x/s/in", "apart"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "x")
    voxome.create(f"zarr://{tmp_path}/x/em.zarr", voxome.VolumeSpec.of((4, 4, 4), "uint8"))
    (tmp_path / "x/em.zarr/data").mkdir()
    return tmp_path


def start(folder: Path, values: dict[str, Any], file: str | None = None) -> None:
    with prepared(parse_config(_inside(values, folder), "test"), None if file is None else folder / file):
        pass


def _inside(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {name: _inside(one, folder) for name, one in value.items()}
    return value.replace("@", str(folder)) if isinstance(value, str) else value


OWN: list[dict[str, Any]] = [
    {"catalogue": "@/x/catalogue.sqlite", "data": "@/apart/data"},
    {"catalogue": "sqlite:///@/x/catalogue.sqlite", "data": "@/apart/data"},
    {"catalogue": "@/apart/catalogue.sqlite", "data": "@/x/data"},
    {"cache": {"folder": "@/x/cache"}},
    {"cache": {"folder": "@"}},
    {"log": {"access": "@/x/access.log"}},
]


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("uri", ["@/x", "@/linked", "file://@/x/../x"])
def test_a_store_with_files_of_the_relay_keeps_it_from_starting(folder: Path, own: dict[str, Any], uri: str) -> None:
    with pytest.raises(InvalidInput, match=r"stores\.all: .* would serve files of the relay"):
        start(folder, {"stores": {"all": {"uri": uri}}, **own})
    start(folder, {"stores": {"all": {"uri": "@/free"}}, "log": {"access": "@/x/access.log"}})


def test_a_store_with_the_configuration_keeps_a_relay_from_starting(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="the configuration is"):
        start(folder, {"stores": {"all": {"uri": "@/x"}}}, "linked/relay.toml")
    start(folder, {"stores": {"all": {"uri": "@/x"}}}, "relay.toml")


@pytest.mark.parametrize("uri", ["@/x/em.zarr", "zarr://@/linked/em.zarr"])
def test_a_source_with_files_of_the_relay_keeps_it_from_starting(folder: Path, uri: str) -> None:
    sources = {"sources": {"em": {"uri": uri}}}
    with pytest.raises(InvalidInput, match=r"sources\.em: .* data is "):
        start(folder, {"catalogue": "@/c.sqlite", "data": "@/x/em.zarr/data", **sources})
    with pytest.raises(InvalidInput, match=r"sources\.em: .* data is "):
        start(folder, {"catalogue": "@/c.sqlite", "data": "@/x", **sources})
    start(folder, {"catalogue": "@/x/c.sqlite", "data": "@/x/data", **sources})


@pytest.mark.parametrize("inner", ["@/x/s/in", "@/linked/s/in", "@/x/s"])
def test_a_store_in_another_keeps_a_relay_from_starting(folder: Path, inner: str) -> None:
    stores: dict[str, dict[str, Any]] = {"s": {"uri": "@/x/s"}, "t": {"uri": inner, "readers": ["lab"]}}
    with pytest.raises(InvalidInput, match=r"stores\.s and stores\.t: .* separate folders"):
        start(folder, {"stores": stores})
    with pytest.raises(InvalidInput, match=r"stores\.t and stores\.s: .* separate folders"):
        start(folder, {"stores": dict(reversed(stores.items()))})


def test_a_source_in_a_store_has_the_readers_of_the_store(folder: Path) -> None:
    lab = {"readers": ["lab"]}
    for store, source in ((lab, {}), ({}, lab)):
        with pytest.raises(InvalidInput, match=r"sources\.em: .* is in the folder of stores\.s, which has other read"):
            start(
                folder,
                {"stores": {"s": {"uri": "@/linked", **store}}, "sources": {"em": {"uri": "@/x/em.zarr", **source}}},
            )
    for readers in ({}, lab):
        both = {"stores": {"s": {"uri": "@/x", **readers}}, "sources": {"em": {"uri": "@/x/em.zarr", **readers}}}
        start(folder, both)
