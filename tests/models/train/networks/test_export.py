from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from models.train.networks.examples import balls  # noqa: E402

from voxome.errors import CorruptData  # noqa: E402
from voxome.geometry.box import Box  # noqa: E402
from voxome.models import parity  # noqa: E402
from voxome.models.cards import Contrast, Model  # noqa: E402
from voxome.models.infer import predict  # noqa: E402
from voxome.models.train.networks.data import from_arrays  # noqa: E402
from voxome.models.train.networks.export import export, publish  # noqa: E402
from voxome.models.train.networks.targets import Objects  # noqa: E402
from voxome.models.train.networks.unet import Form, UNet  # noqa: E402

pytestmark = pytest.mark.slow

RAW, LABELS = balls((45, 50, 48))
VOLUME = from_arrays(RAW, LABELS.astype(np.int64))
DOMAIN = Box.of_shape(RAW.shape)
FACTS = {
    "name": "small",
    "version": "1",
    "task": "cells",
    "licence": "CC0",
    "attribution": "",
    "data": "balls",
    "voxel_size_nm": (8, 8, 8),
    "dtype": "uint8",
    "contrast": Contrast(mean=1, std=1, percentile_1=0, percentile_99=2),
    "reproducible": True,
    "scores": {},
    "training": "none",
}


def network(flat_levels: int) -> UNet:
    torch.manual_seed(flat_levels)
    net = UNet(1, Form((5, 6, 7, 9), 1, flat_levels))
    net.head.weight.data.mul_(40)
    return net


def blockwise(model: Model, block: tuple[int, int, int]) -> np.ndarray:
    out = np.zeros(RAW.shape, np.uint8)
    for start in itertools.product(*(range(0, n, step) for n, step in zip(RAW.shape, block, strict=True))):
        write = Box.of_shape(block, start) & DOMAIN
        read = write.grow(model.card.halo) & DOMAIN
        found = predict(RAW[read.within(DOMAIN)], read, write, DOMAIN, model, mean=VOLUME.mean, std=VOLUME.std)
        out[write.within(DOMAIN)] = found[0]
    return out


@pytest.mark.parametrize("flat_levels", [0, 1, 2, 3])
def test_predictions_are_those_of_the_network_for_any_blocks(flat_levels: int, tmp_path: Path) -> None:
    net = network(flat_levels)
    model = publish(net, tmp_path, Objects("cell"), [VOLUME], FACTS)
    whole = blockwise(model, RAW.shape)
    for block in ((16, 16, 16), (5, 33, 21), (1, 50, 48)):
        assert np.array_equal(blockwise(model, block), whole)
    context, shape = net.context, net.stride
    at = [-(-c // s) * s for c, s in zip(context, net.stride, strict=True)]
    inner = tuple(slice(a, a + n) for a, n in zip(at, shape, strict=True))
    outer = tuple(slice(a - c, a + n + c) for a, n, c in zip(at, shape, context, strict=True))
    with torch.no_grad():
        expected = torch.sigmoid(net(VOLUME.raw[(..., *outer)]))[0, 0].numpy()
    assert np.abs(whole[inner] / 255.0 - expected).max() < 0.004
    assert whole.std() > 3


def test_an_export_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(CorruptData, match="differs from the trained one for an input of shape"):
        export(network(0), tmp_path / "small.onnx", [VOLUME])
    assert not list(tmp_path.iterdir())
