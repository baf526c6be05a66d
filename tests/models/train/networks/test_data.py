from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from models.train.networks.examples import balls, partition  # noqa: E402

from voxome.errors import InvalidInput  # noqa: E402
from voxome.models.train.networks import augment, data  # noqa: E402
from voxome.models.train.networks.augment import Geometry  # noqa: E402
from voxome.models.train.networks.config import Augmentation, Truth  # noqa: E402
from voxome.models.train.networks.data import PatchShape  # noqa: E402
from voxome.models.train.networks.targets import Affinities, edges  # noqa: E402

pytestmark = pytest.mark.slow

PLAIN = Augmentation(warped=0, grey_values=False)


@pytest.mark.parametrize(("mixed", "count"), [("zyx", 48), ("yx", 16), ("", 8)])
def test_symmetries_are_those_of_the_voxels(mixed: str, count: int) -> None:
    rng = np.random.default_rng(0)
    seen = {augment.symmetry(rng, Geometry(mixed)).tobytes() for _ in range(2000)}
    assert len(seen) == count


@pytest.mark.parametrize("mixed", ["zyx", "yx"])
def test_rotations_are_proper_and_keep_z_where_voxels_are_coarse(mixed: str) -> None:
    turn = augment.rotation(np.random.default_rng(0), np.pi, Geometry(mixed))
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.isclose(np.linalg.det(turn), 1)
    assert (abs(turn[0, 0]) == pytest.approx(1)) == (mixed == "yx")


def test_nothing_mixes_z_with_other_axes_of_coarse_voxels() -> None:
    settings = Augmentation(warped=1)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        places = augment.coordinates(np.zeros(3), (4, 6, 6), rng, Geometry("yx"), settings)
        z = places[..., 0]
        assert torch.equal(z, z[:, :1, :1].expand_as(z))
        assert set(z.unique().tolist()) <= {-2.0, -1.0, 0.0, 1.0, 2.0}


@pytest.mark.parametrize("mixed", ["zyx", "yx", ""])
def test_affinities_of_a_patch_are_those_of_its_labels(mixed: str) -> None:
    """Labels are augmented, then targets made: flipped after that, affinities would point to the wrong side."""
    shape, targets = (8, 16, 32), Affinities(((1, 0, 0), (0, 2, 0), (0, 0, 3)))
    rng = np.random.default_rng(1)
    labels = rng.integers(1, 4, shape)
    known = data.from_arrays(
        rng.integers(0, 255, shape).astype(np.uint8), targets.encode(labels, Truth(raw="r", labels="l"))
    )
    patch = PatchShape((4, 4, 4), (3, 3, 3), targets.margins)
    for seed in range(40):
        cut = data.cut(known, patch, np.random.default_rng(seed), Geometry(mixed), PLAIN)
        target, mask = targets.compute(cut.labels, patch.out)
        assert _is_part(cut.labels[1:-1, 1:-1, 1:-1].numpy(), known.labels[0, 0].numpy(), mixed)
        for k, offset in enumerate(targets.offsets):
            ahead = cut.labels[tuple(slice(1 + d, 5 + d) for d in offset)]
            here = cut.labels[1:5, 1:5, 1:5]
            assert torch.equal(mask[k] > 0, (here >= 0) & (ahead >= 0))
            if sum(offset) > 1:
                assert torch.equal(target[k] > 0, (here == ahead) & (here > 0))


def _is_part(patch: np.ndarray, whole: np.ndarray, mixed: str) -> bool:
    """Whether a patch, without what is unknown, is a part of the volume in one of the allowed orientations."""
    axes = "zyx"
    for order in itertools.permutations(range(3)):
        if any(a != b and (axes[a] not in mixed or axes[b] not in mixed) for a, b in enumerate(order)):
            continue
        for flips in itertools.product((1, -1), repeat=3):
            view = np.pad(whole, 8, constant_values=data.UNKNOWN).transpose(order)[
                tuple(slice(None, None, f) for f in flips)
            ]
            if _contains(view, patch):
                return True
    return False


def _contains(volume: np.ndarray, part: np.ndarray) -> bool:
    """Whether a part is anywhere in a volume: voxel by voxel, where all voxels before are equal."""
    room = [range(n - m + 1) for n, m in zip(volume.shape, part.shape, strict=True)]
    at = np.stack(np.meshgrid(*room, indexing="ij")).reshape(3, -1)
    for index in np.ndindex(*part.shape):
        z, y, x = at + np.reshape(index, (3, 1))
        at = at[:, volume[z, y, x] == part[index]]
        if not at.size:
            return False
    return True


def test_raw_and_labels_of_a_patch_stay_together() -> None:
    raw, labels = partition((48, 50, 52))
    known = data.from_arrays(raw, labels[4:44], (4, 0, 0))
    for seed in range(6):
        settings = Augmentation(grey_values=False)
        shape = PatchShape((16, 12, 16), (20, 20, 22), ((0, 0, 0), (4, 4, 4)))
        patch = data.cut(known, shape, np.random.default_rng(seed), Geometry("zyx"), settings)
        assert patch.raw.shape == (56, 52, 60)
        assert patch.labels.shape == (20, 16, 20)
        inside = patch.raw[20:40, 20:36, 22:42]
        edge = edges(patch.labels)
        assert inside[edge].mean() < inside[~edge & (patch.labels >= 0)].mean() - 0.8


@pytest.mark.parametrize("context", [(0, 0, 0), (5, 6, 7)])
def test_margins_of_labels_are_around_the_patch(context: tuple[int, int, int]) -> None:
    raw, labels = partition((20, 20, 20))
    known = data.from_arrays(raw, labels[4:], (4, 0, 0))
    shape = PatchShape((6, 7, 8), context, ((1, 2, 3), (4, 0, 1)))
    settings = Augmentation(symmetries=False, warped=0, grey_values=False)
    whole = np.pad(labels[4:], 20, constant_values=data.UNKNOWN)
    for seed in range(20):
        patch = data.cut(known, shape, np.random.default_rng(seed), Geometry("zyx"), settings)
        centre = data._centre(known, shape.out, np.random.default_rng(seed), 0.0) - known.start
        at = tuple(int(c) - n // 2 + 20 for c, n in zip(centre, shape.out, strict=True))
        part = tuple(slice(a - b, a + n + c) for a, n, b, c in zip(at, shape.out, *shape.margins, strict=True))
        assert np.array_equal(patch.labels, whole[part])
        assert patch.raw.shape == tuple(n + 2 * c for n, c in zip(shape.out, context, strict=True))


def test_labels_beyond_the_truth_are_unknown() -> None:
    raw, labels = partition((40, 40, 40))
    shape = PatchShape((48, 48, 48), (11, 11, 11), ((0, 0, 0), (10, 10, 10)))
    patch = data.cut(data.from_arrays(raw, labels), shape, np.random.default_rng(0), Geometry("zyx"), PLAIN)
    assert (patch.labels == data.UNKNOWN).any()
    assert (patch.labels >= 0).any()


def test_patches_around_objects_have_one() -> None:
    raw, labels = balls((60, 60, 60), count=2)
    known = data.from_arrays(raw, labels.astype(np.int64))
    shape = PatchShape((8, 8, 8), (0, 0, 0), ((0, 0, 0), (0, 0, 0)))
    shares = []
    for foreground in (0.0, 1.0):
        patches = [
            data.cut(known, shape, np.random.default_rng(seed), Geometry("zyx"), PLAIN, foreground)
            for seed in range(40)
        ]
        shares.append(np.mean([(patch.labels > 0).any().item() for patch in patches]))
    assert shares[0] < 0.3
    assert shares[1] > 0.9


def test_patches_of_sparse_labels_have_some() -> None:
    raw, labels = balls((60, 60, 60), count=1)
    sparse = np.where(labels > 0, 1, data.UNKNOWN)
    known = data.from_arrays(raw, sparse)
    shape = PatchShape((12, 12, 12), (0, 0, 0), ((0, 0, 0), (0, 0, 0)))
    for seed in range(10):
        patch = data.cut(known, shape, np.random.default_rng(seed), Geometry("zyx"), PLAIN)
        assert (patch.labels >= 0).any()


def test_a_single_section_is_a_volume() -> None:
    raw, labels = balls((1, 40, 40))
    known = data.from_arrays(raw, labels.astype(np.int64))
    shape = PatchShape((1, 16, 16), (0, 11, 11), ((0, 0, 0), (0, 0, 0)))
    patch = data.cut(known, shape, np.random.default_rng(0), Geometry("yx"), Augmentation(warped=1))
    assert patch.raw.shape == (1, 38, 38)
    assert torch.isfinite(patch.raw).all()


def test_grey_values_keep_the_shape_and_are_repeatable() -> None:
    raw = torch.randn(12, 12, 12)
    for seed, mixed in itertools.product(range(10), ("zyx", "yx")):
        first, again = (
            augment.grey_values(raw.clone(), np.random.default_rng(seed), Geometry(mixed), 1.0) for _ in range(2)
        )
        assert torch.equal(first, again)
        assert torch.isfinite(first).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_picture_in_another_dtype_is_the_same_training_volume(dtype: type) -> None:
    raw, labels = balls((20, 20, 20))
    one, other = (data.from_arrays(image, labels.astype(np.int64)) for image in (raw, raw.astype(dtype)))
    assert torch.equal(one.raw, other.raw)


def test_useless_grey_values_are_refused() -> None:
    raw, labels = balls((20, 20, 20))
    with pytest.raises(InvalidInput, match="all voxels of the labelled part of the image are 7"):
        data.from_arrays(np.full_like(raw, 7), labels.astype(np.int64))
    bad = raw.astype(np.float32)
    bad[3, 4, 5] = np.nan
    with pytest.raises(InvalidInput, match="1 voxels that are not finite"):
        data.from_arrays(bad, labels.astype(np.int64))
