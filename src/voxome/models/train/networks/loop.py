"""Training loop, which resumes from its checkpoint as if it had not stopped.

Everything that a step does depends on the configuration, the state and the number of the step, never on time.
"""

from __future__ import annotations

import copy
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from voxome.errors import RunFailed
from voxome.models.train.networks import checkpoint
from voxome.models.train.networks.augment import Geometry
from voxome.models.train.networks.checkpoint import Progress, State
from voxome.models.train.networks.config import NetworkConfig
from voxome.models.train.networks.data import Patch, PatchShape, TrainingVolume, cut, generator
from voxome.models.train.networks.loss import balanced_loss
from voxome.models.train.networks.targets import Targets
from voxome.models.train.networks.unet import Form, UNet
from voxome.models.train.networks.validate import validation_scores
from voxome.redaction import redact

_PRINT_STEPS, _PRINT_SECONDS = 100, 60.0
"""Steps and time between lines of progress, whichever is less."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a training needs besides its configuration.

    Attributes
    ----------
    volumes, validation : what to train on, and to validate with.
    shares : how often patches are taken from each of the volumes; they sum to 1.
    targets, form, shape, geometry : what the network predicts, its form, that of patches, and their symmetries.
    weights : weights to start from, by name; random ones for those that are missing.
    """

    volumes: Sequence[TrainingVolume]
    validation: Sequence[TrainingVolume]
    shares: tuple[float, ...]
    targets: Targets
    form: Form
    shape: PatchShape
    geometry: Geometry
    weights: dict[str, torch.Tensor] | None = None


class Training:
    """State of a training, kept in ``folder/checkpoint.pt``.

    Parameters
    ----------
    setup : Setup
        Data, and form of network and patches.
    config : NetworkConfig
        Configuration.
    folder : Path
        Folder of the checkpoint.

    Raises
    ------
    InvalidInput
        If the checkpoint there is that of another configuration or other data.
    """

    def __init__(self, setup: Setup, config: NetworkConfig, folder: Path) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.device = torch.device(config.device)
        self.setup, self.config = setup, config
        self.half = self.device.type != "cpu"
        self.layout = torch.channels_last_3d if self.half else torch.contiguous_format
        net = UNet(len(setup.targets.channels), setup.form).to(self.device, memory_format=self.layout)
        if setup.weights is not None:
            net.load_state_dict(setup.weights, strict=False)
        optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.state = State(net, copy.deepcopy(net), optimizer, Progress())
        self.path = folder / "checkpoint.pt"
        self.stopping = self.interrupted = False
        self.printed = time.monotonic()
        self.pool: ThreadPoolExecutor | None = None
        if self.path.exists():
            version = checkpoint.load(self.path, self.state, config, self._digests(), self.device)
            if version != torch.__version__:
                _print(
                    f"{self.path} was written with torch {version}, and this is {torch.__version__}: weights may "
                    "differ from those of a training in one piece"
                )

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or validation has not improved for long enough."""
        progress, config = self.state.progress, self.config
        late = bool(config.patience) and progress.validations_without_better >= config.patience
        return late or progress.step >= config.steps

    def run(self, minutes: float | None = None) -> Progress:
        """Train until all is done, or for so many minutes, or until SIGTERM or Ctrl-C (in the main thread), then save.

        Raises
        ------
        RunFailed
            If the loss is not finite; the last checkpoint is kept.
        KeyboardInterrupt
            After Ctrl-C, when the checkpoint is saved; at the second one at once.
        """
        begin = saved = time.monotonic()
        progress = self.state.progress
        if progress.step:
            _print(f"Resuming after step {progress.step} of {self.config.steps}")
        with self._stopping_on_signals(), self.workers():
            if self.setup.weights and self.setup.validation and not progress.step:
                progress.first_scores = self._scores()
            while not (self.finished or self.stopping or self._is_late(begin, minutes)):
                before, cpu = time.monotonic(), time.process_time()
                self._step()
                if self.setup.validation and progress.step % self.config.validate_steps == 0:
                    self._validate()
                progress.seconds += time.monotonic() - before
                progress.cpu_seconds += time.process_time() - cpu
                if time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
        if self.finished and self.setup.validation and progress.validated != progress.step:
            self._validate()
        self.save()
        if self.interrupted:
            interrupt = KeyboardInterrupt()
            interrupt.add_note("rerun the same command to resume")
            raise interrupt
        return progress

    @staticmethod
    def _is_late(begin: float, minutes: float | None) -> bool:
        return minutes is not None and time.monotonic() - begin > 60 * minutes

    def save(self) -> None:
        """Write the checkpoint."""
        checkpoint.save(self.path, self.state, self.config, self._digests())

    def _digests(self) -> dict[str, str]:
        """Return the digests of all images and labels by name."""
        names = (*self.config.data, *self.config.validation)
        digests: dict[str, str] = {}
        for truth, volume in zip(names, (*self.setup.volumes, *self.setup.validation), strict=True):
            digests[f"{redact(truth.raw)} {truth.box}".strip()] = volume.raw_sha256
            digests[f"{redact(truth.labels)} {truth.box}".strip()] = volume.labels_sha256
        return digests

    def best(self) -> UNet:
        """Return the network to publish: the running average when it validated best, or else as it is now."""
        net = copy.deepcopy(self.state.average)
        if self.state.best is not None:
            net.load_state_dict(self.state.best)
        return net.eval()

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Prepare patches in the threads of the configuration, which end with the context."""
        if not self.config.workers:
            yield
            return
        with ThreadPoolExecutor(self.config.workers) as self.pool:
            try:
                yield
            finally:
                self.pool = None

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():  # others cannot have handlers
            yield
            return
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._interrupt}
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _interrupt(self, *_: object) -> None:
        self.stopping = self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _step(self) -> None:
        state, config = self.state, self.config
        for group in state.optimizer.param_groups:
            group["lr"] = config.learning_rate * self._rate()
        loss = self._loss()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RunFailed(
                f"The loss of step {state.progress.step} is {value}, so training stopped; the checkpoint is that of an "
                "earlier step. Lower learning_rate, or look for extreme grey values in the data"
            )
        state.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
        state.optimizer.step()
        state.progress.step += 1
        state.progress.losses.append(value)
        self._update_average()
        if state.progress.step % _PRINT_STEPS == 0 or time.monotonic() - self.printed > _PRINT_SECONDS:
            recent = float(np.mean(state.progress.losses[-_PRINT_STEPS:]))
            minutes = state.progress.seconds / 60
            _print(f"step {state.progress.step} of {config.steps}, {minutes:.1f} minutes, loss {recent:.4f}")
            self.printed = time.monotonic()

    def _rate(self) -> float:
        if self.config.schedule == "constant":
            return 1.0
        return learning_rate(self.state.progress.step / self.config.steps, self.config.warm_up)

    def _update_average(self) -> None:
        step = self.state.progress.step
        keep = min(self.config.ema, (1 + step) / (20 + step))
        with torch.no_grad():
            for slow, fast in zip(self.state.average.parameters(), self.state.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)

    def _loss(self) -> torch.Tensor:
        patches = self.batch(self.state.progress.step)
        truth = [self.setup.targets.compute(patch.labels, self.setup.shape.out) for patch in patches]
        target, mask = (torch.stack(parts).to(self.device) for parts in zip(*truth, strict=True))
        raw = torch.stack([patch.raw[None] for patch in patches]).to(self.device, memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = self.state.net(raw)
        return balanced_loss(logits, target, mask, self.config.class_balance)

    def batch(self, step: int) -> list[Patch]:
        """Return the patches of a step, which depend on the seed, the epoch, and their number in it."""
        epoch, place = divmod(step, self.config.epoch_steps)
        first = place * self.config.batch
        numbers = range(first, first + self.config.batch)
        if self.pool is None:
            return [self._patch(epoch, number) for number in numbers]
        return list(self.pool.map(lambda number: self._patch(epoch, number), numbers))

    def _patch(self, epoch: int, number: int) -> Patch:
        setup, config = self.setup, self.config
        rng = generator(config.seed, epoch, number)
        volume = setup.volumes[int(rng.choice(len(setup.volumes), p=setup.shares))]
        return cut(volume, setup.shape, rng, setup.geometry, config.augmentation, config.foreground)

    def _validate(self) -> None:
        state, scores = self.state, self._scores()
        progress = state.progress
        progress.validated = progress.step
        if progress.best_scores is None or scores["loss"] < progress.best_scores["loss"]:
            progress.best_scores, progress.best_step, progress.validations_without_better = scores, progress.step, 0
            state.best = copy.deepcopy(state.average.state_dict())
        else:
            progress.validations_without_better += 1
        _print(
            f"step {progress.step}: validation " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        )

    def _scores(self) -> dict[str, float]:
        setup, average = self.setup, self.state.average
        return validation_scores(average, setup.validation, setup.targets, setup.shape.out, self.config.class_balance)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def learning_rate(spent: float, warm_up: float = 0.02, floor: float = 0.005) -> float:
    """Return the fraction of the peak rate: a linear warm-up, then a cosine (Loshchilov and Hutter 2017, SGDR)."""
    if spent < warm_up:
        return floor + (1 - floor) * spent / warm_up
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (spent - warm_up) / max(1 - warm_up, 1e-9))))
