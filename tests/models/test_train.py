from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")
pytest.importorskip("onnx", reason="training needs the extra voxome[train]")

import voxome  # noqa: E402
from voxome.errors import InvalidInput  # noqa: E402
from voxome.geometry.box import Box  # noqa: E402
from voxome.models import infer  # noqa: E402
from voxome.models.cards import load  # noqa: E402
from voxome.models.train import augment, data, loop, train  # noqa: E402
from voxome.models.train.network import NEAR, OFFSETS, AffinityNet, Widths  # noqa: E402
from voxome.models.train.targets import affinities, balanced_loss, boundary  # noqa: E402
from voxome.models.train.validate import boundary_scores  # noqa: E402

pytestmark = pytest.mark.slow

SMALL = Widths(4, 4, 4, 4)


def net() -> AffinityNet:
    torch.manual_seed(0)
    return AffinityNet(widths=SMALL).eval()


def cells(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Raw with dark borders between the cells of a Voronoi partition, and the partition."""
    rng = np.random.default_rng(3)
    seeds = np.zeros(shape, bool)
    seeds[tuple(rng.integers(0, n, 40) for n in shape)] = True
    nearest = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    labels = np.ravel_multi_index(tuple(nearest), shape).astype(np.uint64)
    edge = boundary(torch.from_numpy(labels.astype(np.int64))).numpy()
    return np.where(edge, 60, 180).astype(np.uint8), labels


def test_context_is_exact() -> None:
    model = net()
    raw = torch.randn(1, 1, 78, 78, 78)
    with torch.no_grad():
        out = model(raw)
        assert out.shape == (1, len(OFFSETS), 8, 8, 8)
        first = out[..., 0, 0, 0].clone()
        raw[..., 71 + 3 :, :, :] += 5
        assert torch.equal(model(raw)[..., 0, 0, 0], first)


def test_output_moves_with_the_stride() -> None:
    model = net()
    raw = torch.randn(1, 1, 74, 74, 82)
    with torch.no_grad():
        assert torch.allclose(model(raw)[..., 4:], model(raw[..., 4:]), atol=1e-5)


def test_affinities_against_their_definition() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(-1, 3, (5, 5, 5)), 3, axis=2)[:, :, :7].astype(np.float32)
    labels = np.pad(labels, ((0, 2), (0, 2), (0, 0)), constant_values=1)
    offsets = ((1, 0, 0), (0, 3, 0), (0, 0, 2))
    target, mask = affinities(torch.from_numpy(labels), offsets, 4)
    edge = boundary(torch.from_numpy(labels)).numpy()
    for k, offset in enumerate(offsets):
        for p in np.ndindex(4, 4, 4):
            q = tuple(a + b for a, b in zip(p, offset, strict=True))
            known = labels[p] >= 0 and labels[q] >= 0
            same = labels[p] == labels[q] and not (sum(offset) == 1 and (edge[p] or edge[q]))
            assert bool(mask[k][p]) == known
            if known:
                assert bool(target[k][p]) == same


def test_masked_pairs_do_not_contribute_to_the_loss() -> None:
    logits = torch.zeros(1, 1, 2, 2, 2)
    target = torch.zeros_like(logits)
    mask = torch.ones_like(logits)
    mask[..., 0] = 0
    expected = balanced_loss(logits, target, mask)
    logits[..., 0] = 50
    assert torch.equal(balanced_loss(logits, target, mask), expected)


def test_symmetries_are_the_cubes() -> None:
    rng = np.random.default_rng(0)
    seen = {augment.symmetry(rng).tobytes() for _ in range(2000)}
    assert len(seen) == 48


def test_rotations_are_proper() -> None:
    turn = augment.rotation(np.random.default_rng(0), np.pi)
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.isclose(np.linalg.det(turn), 1)


def test_raw_and_labels_of_a_patch_stay_together() -> None:
    raw, labels = cells((48, 50, 52))
    known = data.from_arrays(raw, labels[4:44], (4, 0, 0))
    for seed in range(6):
        patch = data.cut(known, 16, 35, 4, np.random.default_rng(seed), contrast=False)
        assert patch.raw.shape == (86, 86, 86)
        assert patch.labels.shape == (20, 20, 20)
        inside = patch.raw[35:55, 35:55, 35:55]
        edge = boundary(patch.labels)
        assert inside[edge].mean() < inside[~edge & (patch.labels >= 0)].mean() - 0.8


def test_labels_beyond_the_truth_are_unknown() -> None:
    raw, labels = cells((40, 40, 40))
    patch = data.cut(data.from_arrays(raw, labels), 48, 35, 10, np.random.default_rng(0))
    assert (patch.labels == data.UNKNOWN).any()
    assert (patch.labels >= 0).any()


def test_grey_values_keep_the_shape_and_are_repeatable() -> None:
    raw = torch.randn(12, 12, 12)
    for seed in range(20):
        first, again = (augment.grey_values(raw.clone(), np.random.default_rng(seed)) for _ in range(2))
        assert torch.equal(first, again)
        assert torch.isfinite(first).all()


def test_boundary_scores_of_a_perfect_network() -> None:
    raw, labels = cells((65, 65, 65))
    known = data.from_arrays(raw, labels)

    class Oracle(AffinityNet):
        def forward(self, given: Any) -> Any:
            target, _ = affinities(known.labels[0, 0], NEAR, 64)
            return (target[None] - 0.5) * 20

    assert boundary_scores(Oracle(widths=SMALL), known)["f1"] == 1
    assert boundary_scores(net(), known)["f1"] < 0.9


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[train.Truth, loop.Settings]:
    monkeypatch.setattr(loop, "AffinityNet", lambda: AffinityNet(widths=SMALL))
    raw, labels = cells((40, 40, 40))
    for name, array in (("raw", raw), ("labels", labels)):
        np.save(tmp_path / f"{name}.npy", array)
    truth = train.Truth(f"npy://{tmp_path}/raw.npy", f"npy://{tmp_path}/labels.npy")
    return truth, loop.Settings(minutes=0.02, out=16, threads=1)


def test_training_writes_a_model_that_runs_and_continues(
    small: tuple[train.Truth, loop.Settings], tmp_path: Path
) -> None:
    truth, settings = small
    out = tmp_path / "out"
    model = train.train(truth, out, settings=settings, held_out=truth, name="tiny")
    assert 0 <= model.card.scores["held out"]["f1"] <= 1
    domain = Box.of_shape((16, 16, 16))
    raw = np.load(tmp_path / "raw.npy")[:16, :16, :16]
    found = infer.predict(raw, domain, domain, domain, model, mean=128, std=40)
    assert found.shape == (len(OFFSETS), 16, 16, 16)
    first = loop.Training([], out, settings, lambda *_: None).progress.step
    more = dataclasses.replace(settings, minutes=0.04)
    train.train(truth, out, settings=more, name="tiny")
    assert loop.Training([], out, more, lambda *_: None).progress.step > first > 0
    assert load(out / "tiny.json").card.name == "tiny"


def test_a_training_begins_with_the_average_of_another(
    small: tuple[train.Truth, loop.Settings], tmp_path: Path
) -> None:
    truth, settings = small
    train.train(truth, tmp_path / "first", settings=settings, name="first")
    start = tmp_path / "first" / "checkpoint.pt"
    further = dataclasses.replace(settings, start=start, seed=2)
    weights = loop.Training([], tmp_path, further, lambda *_: None).net.state_dict()
    torch.testing.assert_close(weights, torch.load(start, weights_only=True)["average"], rtol=0, atol=0)
    with pytest.raises(InvalidInput, match=r"The checkpoint .*lost\.pt"):
        train.train(truth, tmp_path / "second", settings=dataclasses.replace(settings, start=tmp_path / "lost.pt"))
    for content in (b"no weights", (tmp_path / "first" / "first.onnx").read_bytes()):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(InvalidInput, match="is not a checkpoint of this network"):
            loop.Training([], tmp_path, dataclasses.replace(further, start=tmp_path / "other"), lambda *_: None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((40, 40, 40), np.float32), "dtype float32; expected integer labels"),
        (np.zeros((40, 40, 40), np.uint8), "is image data of uint8; expected a label volume"),
        (np.zeros((40, 40), np.uint64), "expected integer labels along z, y and x"),
    ],
)
def test_an_image_is_not_taken_for_labels(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.zeros((40, 40, 40), np.uint8))
    np.save(tmp_path / "labels.npy", labels)
    truth = train.Truth(f"npy://{tmp_path}/raw.npy", f"npy://{tmp_path}/labels.npy")
    with pytest.raises(InvalidInput, match=message):
        train.train(truth, tmp_path / "out", settings=loop.Settings(minutes=1))
    assert not (tmp_path / "out").exists()


def test_labels_are_not_taken_for_an_image(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of((40, 40, 40), "uint64", kind="labels")
    labels = voxome.create(f"zarr://{tmp_path}/labels.zarr", spec)
    with pytest.raises(InvalidInput, match="is labels data of uint64; expected an image"):
        train.Truth(labels.uri, labels.uri).region()


def test_too_small_a_truth_is_refused(small: tuple[train.Truth, loop.Settings], tmp_path: Path) -> None:
    truth, settings = small
    with pytest.raises(InvalidInput, match="too small"):
        train.train(dataclasses.replace(truth, box=Box.of_shape((16, 40, 40))), tmp_path / "out", settings=settings)


def test_learning_rate_rises_then_falls() -> None:
    rates = [loop.learning_rate(s) for s in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[0] == pytest.approx(0.005)
    assert rates[-1] == pytest.approx(0.005)
    assert np.all(np.diff(rates[3:]) < 0)
