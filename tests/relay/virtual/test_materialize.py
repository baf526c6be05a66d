"""A virtual layer that is stored by a run is equal to what the relay serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from numpy.testing import assert_array_equal
from typer.testing import CliRunner

import voxome
from voxome.cli.relay import app
from voxome.errors import InvalidInput, NotFound
from voxome.relay.config import RelayConfig
from voxome.relay.config_file import parse_config, read_config
from voxome.relay.sources import Sources
from voxome.relay.virtual.adding import add_sources
from voxome.relay.virtual.materialize import layer_graph, materialize
from voxome.testing.strategies import noise

SHAPE = (20, 30, 40)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The configuration of a layer over a layer."""
    uri = f"zarr://{tmp_path}/em.zarr"
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", start=(3, 4, 5), chunk=(16, 16, 16), voxel_size_nm=(40, 4, 4))
    voxome.create(uri, spec)[...] = noise(SHAPE, "uint8")
    file = tmp_path / "relay.toml"
    file.write_text(
        f"""
[sources."lab/half"]
tool = "common.downsample"
source = "lab/over"
parameters = {{factors = "1,2,2"}}
[sources."lab/over"]
tool = "common.threshold"
source = "lab/em"
parameters = {{at = 100}}
[sources."lab/em"]
uri = "{uri}"
"""
    )
    return file


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.relay.virtual.materialize.state_folder", lambda: tmp_path / "state")


def config_of(file: Path) -> RelayConfig:
    return parse_config(read_config(file), str(file))


def test_a_layer_over_a_layer_has_a_step_for_each(file: Path) -> None:
    graph = layer_graph(config_of(file), "lab/half")
    assert [(node.name, node.tool) for node in graph.steps] == [
        ("lab-over", "common.threshold"), ("lab-half", "common.downsample"),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lab/half", "lab/over;at=7"])
def test_the_stored_layer_is_equal_to_the_one_that_is_served(file: Path, tmp_path: Path, name: str) -> None:
    materialize(config_of(file), name, f"n5://{tmp_path}/out.n5", workers=1)
    stored = voxome.open(f"n5://{tmp_path}/out.n5", expect=voxome.Volume)
    sources = Sources()
    add_sources(sources, config_of(file))
    spec = sources.spec(name)
    assert stored.spec.domain.shape == spec.domain.shape
    assert_array_equal(stored[...], sources.read(name, spec.domain))
    assert stored.voxel_size_nm == spec.voxel_size_nm
    assert not list((tmp_path / "state").glob("layer-*"))


@pytest.mark.slow
def test_the_command_stores_a_layer(file: Path, tmp_path: Path) -> None:
    out = f"zarr://{tmp_path}/out.zarr"
    arguments = ["materialize", "lab/over", "--out", out, "--config", str(file), "--workers", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert (voxome.open(out, expect=voxome.Volume)[...] == 255 * (noise(SHAPE, "uint8") > 100)).all()


def test_a_stored_source_is_refused(file: Path) -> None:
    with pytest.raises(InvalidInput, match="stored already"):
        layer_graph(config_of(file), "lab/em")
    with pytest.raises(NotFound, match="did you mean"):
        layer_graph(config_of(file), "lab/ovr")
    with pytest.raises(InvalidInput, match="expected a number"):
        layer_graph(config_of(file), "lab/over;at=x")
