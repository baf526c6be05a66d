from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from voxome.models.train.networks.loss import balanced_loss  # noqa: E402

pytestmark = pytest.mark.slow


def test_masked_voxels_do_not_contribute() -> None:
    logits = torch.zeros(1, 1, 2, 2, 2)
    target, mask = torch.zeros_like(logits), torch.ones_like(logits)
    mask[..., 0] = 0
    expected = balanced_loss(logits, target, mask)
    logits[..., 0] = 50
    assert torch.equal(balanced_loss(logits, target, mask), expected)


@pytest.mark.parametrize("balance", ["root", "inverse", "none"])
def test_a_patch_without_labels_has_weight_0(balance: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 3, 3, 3, requires_grad=True)
    target, mask = (torch.randn(1, 2, 3, 3, 3) > 0).float(), torch.ones(1, 2, 3, 3, 3)
    alone = balanced_loss(logits, target, mask, balance)
    empty = torch.cat([mask, torch.zeros_like(mask)])
    both = balanced_loss(torch.cat([logits, 9 * logits]), torch.cat([target, target]), empty, balance)
    assert torch.equal(alone, both)
    nothing = balanced_loss(logits, target, torch.zeros_like(mask), balance)
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_single_annotated_voxel_counts_as_much_as_many() -> None:
    logits, target = torch.full((1, 1, 4, 4, 4), 0.3), torch.ones(1, 1, 4, 4, 4)
    one = torch.zeros_like(target)
    one[..., 0, 0, 0] = 1
    assert balanced_loss(logits, target, one) == pytest.approx(float(balanced_loss(logits, target, one + 1 - one)))


def test_rare_objects_weigh_more() -> None:
    target = torch.zeros(1, 1, 10, 10, 10)
    target[..., 0, 0, :5] = 1
    missed, mask = torch.full_like(target, -3.0), torch.ones_like(target)
    losses = [float(balanced_loss(missed, target, mask, balance)) for balance in ("none", "root", "inverse")]
    assert losses == sorted(losses)
    assert losses[2] > 2 * losses[0]


def test_sums_of_large_patches_in_half_precision_are_finite() -> None:
    logits = torch.full((1, 1, 64, 64, 64), 8.0, dtype=torch.float16)
    loss = balanced_loss(logits, torch.zeros(logits.shape), torch.ones(logits.shape), "none")
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(8.0, abs=0.01)
