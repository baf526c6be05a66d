from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from models.train.networks.examples import balls, config_of  # noqa: E402
from models.train.volumes import save  # noqa: E402

import voxome  # noqa: E402
from voxome.errors import CorruptData, InvalidInput, RunFailed  # noqa: E402
from voxome.models.train.networks import checkpoint, loop  # noqa: E402
from voxome.models.train.networks.config import NetworkConfig  # noqa: E402
from voxome.models.train.networks.loop import Training  # noqa: E402
from voxome.models.train.networks.loss import balanced_loss  # noqa: E402
from voxome.models.train.networks.task import _Draft  # noqa: E402
from voxome.models.train.networks.tasks import CELLS  # noqa: E402

pytestmark = pytest.mark.slow

RAW, LABELS = balls((56, 24, 24))
TRAINED, VALIDATED = "0:20,0:24,0:24", "36:56,0:24,0:24"


def configured(folder: Path, raw: np.ndarray = RAW, **more: Any) -> NetworkConfig:
    image = save(folder, f"raw{len(list(folder.iterdir()))}", raw)
    labels = save(folder, f"labels{len(list(folder.iterdir()))}", LABELS, "labels")
    data = {"raw": image, "labels": labels}
    reach = {"reach": 4, "warped": 1.0}
    return config_of([data | {"box": TRAINED}], [data | {"box": VALIDATED}], augmentation=reach, **more)


def trained(config: NetworkConfig, folder: Path) -> Training:
    folder.mkdir(exist_ok=True)
    training = Training(_Draft(CELLS, config).setup(), config, folder)
    training.run()
    return training


def content(folder: Path) -> dict[str, Any]:
    state = checkpoint.read(folder / "checkpoint.pt", torch.device("cpu"))
    progress = checkpoint.Progress(**json.loads(state.pop("progress")))
    progress.seconds = progress.cpu_seconds = 0
    return {**state, "progress": vars(progress)}


def assert_equal(first: Any, second: Any) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=0, check_stride=False)


def test_a_training_in_pieces_is_bitwise_that_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, steps=7)
    whole = trained(config, tmp_path / "whole")
    assert whole.finished
    step = Training._step
    monkeypatch.setattr(Training, "_step", lambda training: _stop_every_second(training, step))
    pieces = trained(config, tmp_path / "pieces")
    assert pieces.state.progress.step == 2
    while not pieces.finished:
        pieces = trained(config, tmp_path / "pieces")
    first, second = content(tmp_path / "whole"), content(tmp_path / "pieces")
    assert first["progress"] == second["progress"]
    assert len(first["progress"]["losses"]) == 7
    for name in ("net", "average", "best", "optimizer"):
        assert_equal(first[name], second[name])


def _stop_every_second(training: Training, step: Any) -> None:
    """Do a step; after two of them, send SIGTERM to this process."""
    step(training)
    if training.state.progress.step % 2 == 0:
        os.kill(os.getpid(), signal.SIGTERM)


def test_ctrl_c_saves_the_step_and_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, steps=5)
    whole = trained(config, tmp_path / "whole")
    step, handler = Training._step, signal.getsignal(signal.SIGINT)

    def press(training: Training) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        step(training)

    monkeypatch.setattr(Training, "_step", press)
    with pytest.raises(KeyboardInterrupt) as caught:
        trained(config, tmp_path / "stopped")
    assert caught.value.__notes__ == ["rerun the same command to resume"]
    assert signal.getsignal(signal.SIGINT) == handler
    assert content(tmp_path / "stopped")["progress"]["step"] == 1
    monkeypatch.undo()
    assert_equal(trained(config, tmp_path / "stopped").state.net.state_dict(), whole.state.net.state_dict())


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press_twice(training: Training) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Training, "_step", press_twice)
    with pytest.raises(KeyboardInterrupt):
        trained(configured(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


def test_a_killed_training_resumes_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, steps=5)
    trained(config, tmp_path / "whole")
    monkeypatch.setattr(Training, "_is_late", lambda self, *_: self.state.progress.step == 3)
    trained(config, tmp_path / "killed")
    monkeypatch.undo()
    monkeypatch.setattr(Training, "_validate", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trained(config, tmp_path / "killed")
    monkeypatch.undo()
    trained(config, tmp_path / "killed")
    assert_equal(content(tmp_path / "whole")["net"], content(tmp_path / "killed")["net"])


def test_validation_voxels_do_not_reach_the_training(tmp_path: Path) -> None:
    painted = RAW.copy()
    painted[36:] = 255
    painted[36, 0, 0] = 0
    losses = []
    for name, raw in (("plain", RAW), ("painted", painted)):
        folder = tmp_path / name
        folder.mkdir()
        losses.append(trained(configured(folder, raw), folder).state.progress.losses)
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == len(losses[0])


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_do_not_matter(workers: int, tmp_path: Path) -> None:
    config = configured(tmp_path, batch=3)
    setup = _Draft(CELLS, config).setup()
    alone = Training(setup, config, tmp_path)
    helped = Training(setup, config.model_copy(update={"workers": workers}), tmp_path)
    with helped.workers():
        assert helped.pool is not None
        for step in range(5):
            for one, other in zip(alone.batch(step), helped.batch(step), strict=True):
                assert torch.equal(one.raw, other.raw)
                assert torch.equal(one.labels, other.labels)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_in_a_thread_leaves_none(workers: int, tmp_path: Path) -> None:
    config = configured(tmp_path, steps=3, workers=workers)
    before, handler = set(threading.enumerate()), signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(trained, config, tmp_path / "out").result().finished
    assert set(threading.enumerate()) == before
    assert signal.getsignal(signal.SIGTERM) == handler


def test_epochs_and_patches_of_a_batch_differ(tmp_path: Path) -> None:
    config = configured(tmp_path, batch=2, epoch_steps=3)
    training = Training(_Draft(CELLS, config).setup(), config, tmp_path)
    patches = [patch.raw.numpy().tobytes() for step in range(9) for patch in training.batch(step)]
    assert len(set(patches)) == len(patches)
    assert training.batch(4)[1].raw.numpy().tobytes() == patches[9]


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, checkpoint_minutes=1e-9)
    whole, step = balanced_loss, iter(range(9))
    monkeypatch.setattr(loop, "balanced_loss", lambda *given: whole(*given) * (float("nan") if next(step) == 3 else 1))
    with pytest.raises(RunFailed, match=r"The loss of step 3 is nan"):
        trained(config, tmp_path / "out")
    state = content(tmp_path / "out")
    assert state["progress"]["step"] == 3
    assert all(torch.isfinite(one).all() for name in ("net", "average") for one in state[name].values())


def test_another_configuration_does_not_continue(tmp_path: Path) -> None:
    config = configured(tmp_path)
    trained(config, tmp_path / "out")
    with pytest.raises(InvalidInput, match="another seed, steps; continue it with the same configuration"):
        trained(config.model_copy(update={"seed": 2, "steps": 9}), tmp_path / "out")
    trained(config.model_copy(update={"checkpoint_minutes": 3.0}), tmp_path / "out")


def test_checkpoints_of_other_versions(tmp_path: Path) -> None:
    config = configured(tmp_path, steps=2)
    trained(config, tmp_path)
    saved = checkpoint.read(tmp_path / "checkpoint.pt", torch.device("cpu"))
    settings = json.loads(saved["config"])
    del settings["patience"]
    torch.save(saved | {"config": json.dumps(settings)}, tmp_path / "checkpoint.pt")
    assert trained(config, tmp_path).finished
    torch.save(saved | {"config": json.dumps(settings | {"other": 1})}, tmp_path / "checkpoint.pt")
    with pytest.raises(InvalidInput, match="was written by a version of voxome with other settings"):
        trained(config, tmp_path)


@pytest.mark.parametrize("changed", ["raw", "labels"])
@pytest.mark.parametrize("part", ["data", "validation"])
def test_other_data_do_not_continue(changed: str, part: str, tmp_path: Path) -> None:
    config = configured(tmp_path)
    trained(config, tmp_path / "out")
    (truth,) = getattr(config, part)
    volume = voxome.open(getattr(truth, changed), mode="r+", expect=voxome.Volume)
    volume[int(truth.box.partition(":")[0]) + 9, 9, 9] ^= 1
    with pytest.raises(InvalidInput, match=rf"on other voxels of \S+/{changed}\d\.zarr {truth.box}; continue it with"):
        trained(config, tmp_path / "out")
    volume[int(truth.box.partition(":")[0]) + 9, 9, 9] ^= 1
    trained(config, tmp_path / "out")


def test_another_version_of_torch_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, steps=2)
    trained(config, tmp_path / "out")
    trained(config, tmp_path / "out")
    assert "was written with" not in capsys.readouterr().err
    version = torch.__version__
    monkeypatch.setattr(torch, "__version__", "0.1")
    trained(config, tmp_path / "out")
    assert f"was written with torch {version}, and this is 0.1" in capsys.readouterr().err


def test_training_ends_when_validation_does_not_improve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([0.5, 0.3, 0.4, 0.6, 0.2])
    monkeypatch.setattr(Training, "_scores", lambda self: {"loss": next(losses)})
    config = configured(tmp_path, steps=20, patience=2)
    training = trained(config, tmp_path / "out")
    progress = training.state.progress
    assert (progress.step, progress.best_step, progress.best_scores) == (8, 4, {"loss": 0.3})
    assert_equal(training.best().state_dict(), training.state.best)
    assert not torch.equal(training.best().stem.weight, training.state.average.stem.weight)


def test_learning_rate_rises_then_falls() -> None:
    rates = [loop.learning_rate(s) for s in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[0] == pytest.approx(0.005)
    assert rates[-1] == pytest.approx(0.005)
    assert np.all(np.diff(rates[3:]) < 0)


def damage(saved: dict[str, Any], part: str) -> Any:
    """Return a part of a checkpoint with other types or shapes."""
    value = saved[part]
    if isinstance(value, str):
        return json.dumps(json.loads(value) | {"step": 9, "seconds": "x"}) if part == "progress" else "{"
    return {name: one[:1] if torch.is_tensor(one) else [] for name, one in value.items()}


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    config, file = configured(tmp_path, steps=2), tmp_path / "checkpoint.pt"
    trained(config, tmp_path)
    content = file.read_bytes()
    saved = checkpoint.read(file, torch.device("cpu"))
    for part in ("net", "average", "best", "optimizer", "progress", "data"):
        torch.save(saved | {part: damage(saved, part)}, file)
        with pytest.raises(CorruptData, match=r"checkpoint\.pt is damaged"):
            trained(config, tmp_path)
    place = content.index(saved["best"]["head.weight"].numpy().tobytes())
    file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(CorruptData, match=r"checkpoint\.pt is damaged"):
        checkpoint.read(file, torch.device("cpu"))


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"net": Program()}, tmp_path / "checkpoint.pt")
    with pytest.raises(InvalidInput, match="is not a checkpoint"):
        checkpoint.read(tmp_path / "checkpoint.pt", torch.device("cpu"))
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    assert (tmp_path / "ran").exists()
