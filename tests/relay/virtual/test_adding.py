"""Virtual layers of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from relay.serving import stored

import voxome
from voxome.cli.serve import build_config
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.relay.config import RelayConfig
from voxome.relay.config_file import parse_config
from voxome.relay.opening import prepared
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.virtual.adding import add_sources
from voxome.relay.virtual.recipe import Recipe
from voxome.testing.strategies import noise

DATA = noise((8, 9, 10), "uint8")
TOOL = {"tool": "common.threshold", "parameters": {"at": 100}}


def config_of(**sources: dict[str, Any]) -> RelayConfig:
    return parse_config({"sources": sources}, "test")


def test_layers_may_be_configured_before_what_they_are_computed_from() -> None:
    sources = Sources()
    add_sources(
        sources,
        config_of(b={**TOOL, "source": "a"}, a={**TOOL, "source": "em"}, em={"uri": stored(DATA), "readers": ["lab"]}),
    )
    assert (sources.read("b", Box.of_shape(DATA.shape)) == np.where(DATA > 100, 255, 0)).all()
    assert sources.rights("b") == Rights(frozenset({"lab"}))


def test_a_layer_over_an_address_and_its_rights() -> None:
    sources = Sources()
    add_sources(sources, config_of(over={**TOOL, "uri": stored(DATA), "readers": ["lab"]}))
    assert sources.read("over", Box.of_shape(DATA.shape)).any()
    assert sources.rights("over") == Rights(frozenset({"lab"}))
    assert list(sources) == ["over"]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"a": {**TOOL, "source": "b"}, "b": {**TOOL, "source": "a"}}, "computed from each other"),
        ({"a": {**TOOL, "source": "a"}}, "computed from each other: a from a"),
        ({"a": {**TOOL, "source": "em"}}, "no source em"),
        ({"a": {**TOOL}}, "needs image"),
        ({"a": {"tool": "common.union"}}, "whole tables"),
    ],
)
def test_layers_that_cannot_be_computed_keep_a_relay_from_starting(sources: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message), prepared(config_of(**sources)):
        pass


def test_a_layer_that_does_not_fit_a_volume_on_this_machine_keeps_a_relay_from_starting() -> None:
    uri, mask = stored(DATA), stored(noise((3, 3, 3), "uint16"))
    config = config_of(em={"uri": uri}, a={"tool": "common.tissue", "source": "em", "inputs": {"mask": mask}})
    with pytest.raises(InvalidInput, match="give output"), prepared(config):
        pass
    fitting = config_of(em={"uri": uri}, a={**TOOL, "source": "em"})
    with prepared(fitting):
        pass


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "neither uri nor tool"),
        ({"uri": "a", "parameters": {}}, "parameters need a tool"),
        ({"tool": "t", "uri": "a", "source": "b"}, "both uri and source"),
        ({"tool": "t", "uri": "a", "writers": ["lab"]}, "leave out writers"),
    ],
)
def test_what_does_not_go_together_is_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        config_of(a=source)


def test_the_command_line_names_layers() -> None:
    layer = "edges=tool:em.network?source=em&histogram=/data/h.parquet&output=membranes&model=a%26b"
    config = build_config(["em=/data/em.zarr", layer], [], {})
    assert config.sources["edges"].recipe is not None
    assert config.sources["edges"].model_dump(exclude_unset=True) == {
        "tool": "em.network", "source": "em", "inputs": {"histogram": "/data/h.parquet"}, "output": "membranes",
        "parameters": {"model": "a&b"},
    }  # fmt: skip
    with pytest.raises(InvalidInput, match="needs a name"):
        build_config(["tool:common.threshold?source=em"], [], {})


def test_a_file_and_the_command_line_are_one_configuration(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(f'compute_threads = 3\n[sources.em]\nuri = "{stored(DATA)}"\n')
    config = build_config([str(file), "over=tool:common.threshold?source=em&at=3.5"], [], {"compute_memory_mib": 700})
    assert (config.compute_threads, config.compute_memory_mib) == (3, 700)
    sources = Sources()
    add_sources(sources, config)
    assert ((sources.read("over", Box.of_shape(DATA.shape)) > 0) == (DATA > 3.5)).all()


@pytest.mark.parametrize("inside", ["", "/0", "?voxel_size_nm=1,1,1"])
def test_a_layer_over_the_address_of_a_source_has_its_readers(tmp_path: Path, inside: str) -> None:
    sources = Sources()
    sources.add("em", f"zarr://{tmp_path}/em.zarr", Rights(frozenset({"lab", "guests"})))
    sources.add("copy", f"zarr://{tmp_path}/./em.zarr", Rights(frozenset({"lab"}), frozenset({"lab"})))
    sources.add("other", f"zarr://{tmp_path}/em.zarr2", Rights(frozenset({"others"})))
    sources.add_virtual("edges", Recipe("common.threshold", {"": f"zarr://{tmp_path}/em.zarr{inside}"}, {"at": 3}))
    assert sources.rights("edges") == Rights(frozenset({"lab"}))
    sources.add_virtual("named", Recipe("common.threshold", {"": "em"}, {"at": 3}))
    assert sources.rights("named") == Rights(frozenset({"lab", "guests"}))


def test_a_layer_over_an_address_in_a_store_has_its_readers(tmp_path: Path) -> None:
    sources = Sources()
    sources.add_store("private", tmp_path, Rights(frozenset({"lab"})))
    sources.add_virtual("edges", Recipe("common.threshold", {"": f"zarr://{tmp_path}/em.zarr"}, {"at": 3}))
    assert sources.rights("edges") == Rights(frozenset({"lab"}))


@pytest.mark.parametrize("served_first", ["private/em.zarr", "edges"])
def test_a_volume_in_a_store_and_a_layer_over_its_address_have_one_state(tmp_path: Path, served_first: str) -> None:
    sources, box = Sources(), Box.of_shape(DATA.shape)
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of(DATA.shape, DATA.dtype))[...] = DATA
    sources.add_store("private", tmp_path, Rights())
    sources.add_virtual("edges", Recipe("common.threshold", {"": f"zarr://{tmp_path}/em.zarr"}, {"at": 100}))
    sources.read(served_first, box)
    version = sources.version(served_first)
    for name in ("private/em.zarr", "edges"):
        sources.read(name, box)
    assert sources.version(served_first) == version
