from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

pytest.importorskip("onnx", reason="training needs the extra voxome[train]")

from voxome.errors import InvalidInput, NotFound
from voxome.models.imports.config import ModelImport
from voxome.models.pixels.config import PixelTraining
from voxome.models.train.documents import Config, read_config
from voxome.models.train.networks.config import Card, NetworkConfig


class Layer(Config):
    width: int = 3


class Example(Config):
    name: str
    rate: float = 0.1
    shape: tuple[int, int, int] = (1, 1, 1)
    layer: Layer = Layer()
    layers: tuple[Layer, ...] = ()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "example.toml"
    path.write_text('name = "first"\n[layer]\nwidth = 8\n')
    return path


def test_values_are_set_as_in_toml_or_as_text(path: Path) -> None:
    values = ["rate=0.5", "layer.width=9", "shape=[1, 2, 3]", "name=zarr://a b"]
    config = read_config(path, Example, values)
    assert (config.rate, config.layer.width, config.shape, config.name) == (0.5, 9, (1, 2, 3), "zarr://a b")
    assert read_config(path, Example).layer.width == 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["rat=1"], "rat: unknown key, did you mean 'rate'?"),
        (["layer.widht=1"], "layer.widht: unknown key, did you mean 'width'?"),
        (["layers=[{wide=1}]"], r"layers\.0\.wide: unknown key, did you mean 'width'\?"),
        (["nothing=1"], "nothing: unknown key$"),
        (["rate=fast", "layer.width=wide"], "rate: expected a number; layer.width: expected a whole number"),
        (["rate=inf"], "rate: expected a finite number"),
        (["rate=nan"], "rate: expected a finite number"),
        (["name.first=1"], "'name' is not a table"),
        (["rate"], "expected key=value"),
    ],
)
def test_wrong_values_are_named(values: list[str], message: str, path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_config(path, Example, values)


@pytest.mark.parametrize("kind", [Card, ModelImport, PixelTraining])
def test_names_of_models_are_those_of_files_in_the_folder(kind: type[BaseModel], path: Path) -> None:
    for name in ("../net", "a/b", "a b", "", "-net", ".net"):
        with pytest.raises(InvalidInput, match=r"name: '.*' is no file name"):
            read_config(path, kind, [f'name="{name}"'])
    with pytest.raises(InvalidInput, match="a name of 202 bytes is too long for a file; use at most 200"):
        read_config(path, kind, [f'name="{"µ" * 101}"'])
    with pytest.raises(InvalidInput) as error:
        read_config(path, kind, ['name="2012-net_v1.2"', "wrong=1"])
    assert "name: " not in str(error.value)


@pytest.mark.parametrize("kind", [NetworkConfig, PixelTraining])
def test_seeds_are_those_of_the_generators(kind: type[BaseModel], path: Path) -> None:
    with pytest.raises(InvalidInput, match="seed: expected less than"):
        read_config(path, kind, [f"seed={2**64}"])


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"lost\.toml"):
        read_config(tmp_path / "lost.toml", Example)
    (tmp_path / "bad.toml").write_bytes(b"\xff name")
    with pytest.raises(InvalidInput, match="is not a TOML file"):
        read_config(tmp_path / "bad.toml", Example)
