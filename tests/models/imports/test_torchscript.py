from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the import of TorchScript needs the extra voxome[train]")

from models.imports.descriptions import described  # noqa: E402
from torch import nn  # noqa: E402

from voxome.errors import UnsupportedFormat  # noqa: E402
from voxome.geometry.box import Box  # noqa: E402
from voxome.models.imports.importer import import_model  # noqa: E402
from voxome.models.infer import predict  # noqa: E402

pytestmark = pytest.mark.slow


def trained(dimensions: int) -> nn.Sequential:
    """Return a network after one training step, so that its statistics are not 0 and 1."""
    torch.manual_seed(0)
    kind, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
    network = nn.Sequential(kind(1, 4, 3), norm(4), nn.ReLU(), nn.Dropout(0.5), kind(4, 1, 3), nn.Sigmoid())
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(3 + 2 * torch.randn(2, 1, *[12] * dimensions)).mean().backward()
    optimizer.step()
    return network


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_network_in_training_mode_is_converted_for_inference(dimensions: int, tmp_path: Path) -> None:
    network = trained(dimensions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(tmp_path / "net.pt")
    context = (2 if dimensions == 3 else 0, 2, 2)
    model = import_model(tmp_path / "net.pt", described(dimensions=dimensions, context=context), tmp_path / "out")
    raw = np.random.default_rng(0).integers(0, 255, (18, 20, 22)).astype(np.uint8)
    domain, box = Box.of_shape(raw.shape), Box((2, 2, 2), (16, 18, 20))
    found = predict(raw, domain, box, domain, model, mean=128, std=40)[0]
    grey = torch.from_numpy((raw.astype(np.float32) - 128) / 40)
    with torch.no_grad():
        network.eval()
        expected = network(grey[None, None])[0, 0] if dimensions == 3 else network(grey[2:16, None])[:, 0]
    assert np.abs(found / 255 - expected.numpy()).max() < 0.003
    assert found.std() > 0


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no network")
    with pytest.raises(UnsupportedFormat, match="is not TorchScript"):
        import_model(tmp_path / "bad.pt", described(), tmp_path)
