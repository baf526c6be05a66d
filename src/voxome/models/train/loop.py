"""Training loop with a time limit and checkpoints."""

from __future__ import annotations

import copy
import json
import math
import pickle
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from voxome.errors import InvalidInput
from voxome.models.train.data import TrainingVolume, cut
from voxome.models.train.network import OFFSETS, AffinityNet
from voxome.models.train.targets import affinities, balanced_loss
from voxome.storage.atomic import replacing

_AVERAGE = 0.998
"""Decay of the running average of weights."""
_SAVE_EVERY_S = 60.0
"""Seconds between checkpoints."""
_LOSS_EVERY = 10
"""Steps between readings of the loss."""


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes
    ----------
    minutes : float
        Total time of the training steps; the learning rate follows a cosine over it.
    seed : int
        Random seed of weights and patches.
    threads : int
        Number of CPU threads.
    device : str
        Torch device, such as "cpu" or "cuda".
    out : int
        Edge length of the affinities of a patch, in voxels.
    batch : int
        Number of patches per step.
    rate : float
        Peak learning rate of AdamW.
    other_fraction : float
        Fraction of patches from the volumes after the first.
    start : Path, optional
        Checkpoint of another training, whose averaged weights are the initial ones; random weights if None.
    report_minutes : float
        Training time between reports.
    """

    minutes: float
    seed: int = 1
    threads: int = 2
    device: str = "cpu"
    out: int = 64
    batch: int = 1
    rate: float = 2e-3
    other_fraction: float = 0.25
    start: Path | None = None
    report_minutes: float = 10.0


@dataclass
class Progress:
    """Progress of a training, stored in its checkpoint."""

    step: int = 0
    seconds: float = 0.0
    reported: float = 0.0
    loss: float = 1.0


Report = Callable[[AffinityNet, Progress], None]


class Training:
    """Network, running average, optimizer and progress of a training, stored in ``folder/checkpoint.pt``."""

    def __init__(self, volumes: Sequence[TrainingVolume], folder: Path, settings: Settings, report: Report) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.device = torch.device(settings.device)
        self.volumes, self.settings, self.report = [v.to(self.device) for v in volumes], settings, report
        self.half = _is_fast_in_half(self.device)
        self.layout = torch.channels_last_3d if self.half else torch.contiguous_format
        self.net = AffinityNet().to(self.device, memory_format=self.layout)
        self.average = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=settings.rate, weight_decay=1e-4)
        self.progress = Progress()
        self.checkpoint = folder / "checkpoint.pt"
        self.stopping = False
        if self.checkpoint.exists():
            self._load()
        elif settings.start is not None:
            self._start_from(settings.start)

    def run(self) -> Progress:
        """Train until the time is up or SIGTERM is received, then save and report."""
        previous = signal.signal(signal.SIGTERM, self._stop)
        state, settings = self.progress, self.settings
        saved = time.monotonic()
        while state.seconds < 60 * settings.minutes and not self.stopping:
            begin = time.monotonic()
            self._step(state.seconds / (60 * settings.minutes))
            state.seconds += time.monotonic() - begin
            if time.monotonic() - saved > _SAVE_EVERY_S:
                self._save()
                saved = time.monotonic()
            if state.seconds - state.reported > 60 * settings.report_minutes:
                self._report()
        self._report()
        signal.signal(signal.SIGTERM, previous)
        return state

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _report(self) -> None:
        self.progress.reported = self.progress.seconds
        self._save()
        self.report(self.average, self.progress)

    def _step(self, spent: float) -> None:
        state, settings = self.progress, self.settings
        rng = np.random.default_rng((settings.seed, state.step))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * learning_rate(spent)
        loss = self._loss(rng)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        state.step += 1
        keep = min(_AVERAGE, (1 + state.step) / (20 + state.step))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        if state.step % _LOSS_EVERY == 0:
            state.loss += (loss.item() - state.loss) * max(0.01 * _LOSS_EVERY, _LOSS_EVERY / state.step)
        if state.step % (10 * _LOSS_EVERY) == 0:
            line = f"step {state.step}, {state.seconds / 60:.1f} minutes, loss {state.loss:.4f}"
            print(line, file=sys.stderr, flush=True)

    def _loss(self, rng: np.random.Generator) -> torch.Tensor:
        reach, out = max(max(offset) for offset in OFFSETS), self.settings.out
        patches = [cut(self._volume(rng), out, self.net.context, reach, rng) for _ in range(self.settings.batch)]
        truth = [affinities(patch.labels, OFFSETS, out) for patch in patches]
        target, mask = (torch.stack(parts) for parts in zip(*truth, strict=True))
        raw = torch.stack([patch.raw[None] for patch in patches]).contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = self.net(raw)
        return balanced_loss(logits.float(), target, mask)

    def _volume(self, rng: np.random.Generator) -> TrainingVolume:
        others = self.volumes[1:]
        if others and rng.random() < self.settings.other_fraction:
            return others[int(rng.integers(len(others)))]
        return self.volumes[0]

    def _save(self) -> None:
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": json.dumps(vars(self.progress)),
        }
        with replacing(self.checkpoint) as partial:
            torch.save(state, partial)

    def _start_from(self, start: Path) -> None:
        try:
            average = torch.load(start, map_location=self.device, weights_only=True)["average"]
            self.net.load_state_dict(average)
        except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError, EOFError) as error:
            raise InvalidInput(
                f"{start} is not a checkpoint of this network; use the checkpoint.pt of a training"
            ) from error
        self.average.load_state_dict(average)

    def _load(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.net.load_state_dict(saved["net"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.progress = Progress(**json.loads(saved["progress"]))


def _is_fast_in_half(device: torch.device) -> bool:
    """Return whether the device supports bfloat16 natively; emulation is many times slower."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True


def learning_rate(spent: float, warm_up: float = 0.02, floor: float = 0.005) -> float:
    """Return the fraction of the peak rate: a linear warm-up, then a cosine (Loshchilov and Hutter 2017, SGDR)."""
    if spent < warm_up:
        return floor + (1 - floor) * spent / warm_up
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (spent - warm_up) / (1 - warm_up))))
