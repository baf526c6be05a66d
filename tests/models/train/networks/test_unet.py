from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from voxome.models.cards import find  # noqa: E402
from voxome.models.train.networks.start import start_weights  # noqa: E402
from voxome.models.train.networks.unet import Form, UNet, count_weights  # noqa: E402

pytestmark = pytest.mark.slow

WIDTHS = (2, 3, 3, 4)


def net(units: int, flat_levels: int) -> UNet:
    torch.manual_seed(0)
    return UNet(2, Form(WIDTHS, units, flat_levels)).eval()


@pytest.mark.parametrize("flat_levels", [0, 1, 2, 3])
@pytest.mark.parametrize("units", [0, 2])
def test_output_is_the_input_without_its_context(units: int, flat_levels: int) -> None:
    model = net(units, flat_levels)
    out = [2 * n for n in model.stride]
    with torch.no_grad():
        given = torch.randn(1, 1, *(n + 2 * c for n, c in zip(out, model.context, strict=True)))
        assert model(given).shape == (1, 2, *out)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("flat_levels", [0, 1, 2, 3])
def test_context_is_enough_and_needed(flat_levels: int, axis: int) -> None:
    model = net(1, flat_levels)
    shape = [2 * n + 2 * c for n, c in zip(model.stride, model.context, strict=True)]
    raw = torch.randn(1, 1, *shape)
    reach = model.context[axis] + model.stride[axis]
    with torch.no_grad():
        corner = tuple(slice(0, n) for n in model.stride)
        first = model(raw)[(..., *corner)].clone()
        beyond = [slice(None)] * 3
        beyond[axis] = slice(reach + model.context[axis], None)
        raw[(..., *beyond)] += 5
        assert torch.equal(model(raw)[(..., *corner)], first)
        beyond[axis] = slice(reach + model.context[axis] - 1, None)
        raw[(..., *beyond)] += 5
        assert not torch.equal(model(raw)[(..., *corner)], first)


def test_sections_of_a_flat_network_do_not_mix() -> None:
    model = net(2, 3)
    assert model.context[0] == 0
    assert model.stride[0] == 1
    raw = torch.randn(1, 1, 3, *(4 + 2 * c for c in model.context[1:]))
    with torch.no_grad():
        assert torch.allclose(model(raw)[:, :, 1:2], model(raw[:, :, 1:2]), atol=1e-6)


def test_output_moves_with_the_stride() -> None:
    model = net(1, 0)
    raw = torch.randn(1, 1, 42, 42, 50)
    with torch.no_grad():
        assert torch.allclose(model(raw)[..., 4:], model(raw[..., 4:]), atol=1e-5)


def test_the_shipped_network_has_the_default_form() -> None:
    card = find("membranes").card
    assert Form().context == card.context
    assert Form().stride == card.stride
    weights = start_weights("membranes", len(card.channels), Form(), new_head=False)
    assert sum(one.numel() for one in weights.values()) == count_weights(Form(), len(card.channels))
