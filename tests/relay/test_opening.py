"""What keeps a relay from starting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import voxome
from voxome.errors import InvalidInput, NotFound, VoxomeError
from voxome.relay.config_file import parse_config
from voxome.relay.opening import prepared


def test_a_certificate_that_cannot_be_used_keeps_a_relay_from_starting(tmp_path: Path) -> None:
    certificate, key = tmp_path / "a.pem", tmp_path / "b.pem"
    config = parse_config({"tls": {"certificate": str(certificate), "key": str(key)}}, "test")
    with pytest.raises(InvalidInput, match=r"tls.certificate: .*a.pem cannot be read"), prepared(config):
        pass
    certificate.write_text("no certificate")
    with pytest.raises(InvalidInput, match=r"tls.key: .*b.pem cannot be read"), prepared(config):
        pass
    key.write_text("no key")
    with pytest.raises(InvalidInput, match=r"a.pem and tls.key .*b.pem are no certificate"), prepared(config):
        pass


def test_what_is_cached_is_for_the_owner_of_the_relay_only(tmp_path: Path) -> None:
    config = parse_config({"cache": {"folder": str(tmp_path / "cache")}}, "test")
    with prepared(config):
        assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("scheme", ["", "precomputed://"])
@pytest.mark.parametrize("table", ["sources", "annotations"])
def test_what_does_not_exist_keeps_a_relay_from_starting_and_is_named(tmp_path: Path, table: str, scheme: str) -> None:
    config = parse_config({table: {"y": {"uri": f"{scheme}{tmp_path / 'none'}"}}}, "test")
    with pytest.raises(NotFound, match=rf"^{table}\.y: .*none"), prepared(config):
        pass


def test_parts_of_files_and_patterns_of_files_are_served(tmp_path: Path) -> None:
    array = np.zeros((4, 4, 4), np.uint8)
    voxome.put(array, f"hdf5://{tmp_path}/a.h5/group/raw")
    for number, section in enumerate(array):
        Image.fromarray(section).save(tmp_path / f"s{number}.png")
    sources = {"a": {"uri": f"hdf5://{tmp_path}/a.h5/group/raw"}, "s": {"uri": f"{tmp_path}/s*.png"}}
    with prepared(parse_config({"sources": sources}, "test")):
        pass


def test_a_volume_in_place_of_annotations_keeps_a_relay_from_starting(tmp_path: Path) -> None:
    voxome.put(np.zeros((4, 4, 4), np.uint8), f"precomputed://{tmp_path}/em")
    config = parse_config({"annotations": {"y": {"uri": f"precomputed://{tmp_path}/em"}}}, "test")
    with pytest.raises(InvalidInput, match=r"^annotations\.y: .*em"), prepared(config):
        pass


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"source": "em", "inputs": {"histogram": "{folder}/none"}}, "input histogram: .*none does not exist"),
        ({"source": "em", "inputs": {"histogram": "{folder}/empty"}}, "input histogram: .*empty is not a readable"),
        ({"uri": "{folder}/none", "inputs": {"histogram": "em"}}, "input raw: .*none does not exist"),
        ({"source": "none"}, "no source none is configured"),
        ({"source": "em", "tool": "em.netwrk"}, "Unknown tool of layers 'em.netwrk'(?!.*common.meshes)"),
    ],
)
def test_what_a_virtual_layer_lacks_is_named_with_the_layer_and_the_input(
    tmp_path: Path, given: dict[str, Any], problem: str
) -> None:
    (tmp_path / "empty").touch()
    np.save(tmp_path / "em.npy", np.zeros((8, 8, 8), np.uint8))
    text = json.dumps({"tool": "em.network", "output": "membranes", **given}).replace("{folder}", str(tmp_path))
    config = parse_config({"sources": {"em": {"uri": str(tmp_path / "em.npy")}, "lab/m": json.loads(text)}}, "test")
    with pytest.raises(VoxomeError, match=f"^the virtual layer lab/m: {problem}"), prepared(config):
        pass


def test_a_store_that_is_away_keeps_no_relay_of_several_processes_from_starting(tmp_path: Path) -> None:
    for uri in ("bossdb://lab/exp/em", "dvid://127.0.0.1:1/abc/em", "zarr://http://127.0.0.1:1/em.zarr"):
        source = {"uri": uri, "writers": ["lab"]}
        config = parse_config({"workers": 2, "cache": {"folder": str(tmp_path)}, "sources": {"em": source}}, "test")
        with prepared(config):
            pass


@pytest.mark.parametrize("key", ["cache.folder", "data"])
def test_a_folder_that_is_a_file_is_named_with_its_key(tmp_path: Path, key: str) -> None:
    file = tmp_path / "file"
    file.touch()
    values = {"cache": {"folder": file}} if key == "cache.folder" else {"catalogue": ":memory:", "data": file}
    with pytest.raises(InvalidInput, match=rf"^{key}: .*file "), prepared(parse_config(values, "test")):
        pass


def test_what_nobody_can_write_is_named_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    voxome.create(f"zarr://{tmp_path}/em", voxome.VolumeSpec.of((4, 4, 4), "uint8"))
    sources = {"em": {"uri": f"{tmp_path}/em", "writers": ["admin"]}}
    with prepared(parse_config({"sources": sources, "admin_token_env": "ADMIN"}, "test")):
        assert "nobody" not in caplog.text
    with prepared(parse_config({"sources": sources}, "test")):
        assert "nobody can write em: this relay has no tokens" in caplog.text
