"""The loop of training steps: stops by time, continues from its checkpoint."""

from __future__ import annotations

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from voxome.models.train.data import TrainingVolume, cut
from voxome.models.train.network import OFFSETS, AffinityNet
from voxome.models.train.targets import affinities, balanced_loss

_AVERAGE = 0.998
_SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class Settings:
    """What a training depends on beside its data.

    Attributes
    ----------
    minutes : time spent in steps before it ends; the learning rate follows a cosine over it.
    out : voxels a side of the affinities of a patch.
    rate : peak learning rate of AdamW.
    others_share : share of patches cut from the volumes after the first, in the second half of the time.
    report_minutes : training time between two reports.
    """

    minutes: float
    seed: int = 1
    threads: int = 2
    out: int = 64
    rate: float = 2e-3
    others_share: float = 0.25
    report_minutes: float = 10.0


@dataclass
class Progress:
    """What has been done; outlives a stopped process."""

    step: int = 0
    seconds: float = 0.0
    reported: float = 0.0
    loss: float = 1.0


Report = Callable[[AffinityNet, Progress], None]


class Training:
    """A network, its running average, its optimizer and its progress, kept in ``folder/checkpoint.pt``."""

    def __init__(self, volumes: Sequence[TrainingVolume], folder: Path, settings: Settings, report: Report) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.volumes, self.settings, self.report = volumes, settings, report
        self.net = AffinityNet().to(memory_format=torch.channels_last_3d)
        self.average = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=settings.rate, weight_decay=1e-4)
        self.progress = Progress()
        self.checkpoint = folder / "checkpoint.pt"
        self.stopping = False
        if self.checkpoint.exists():
            self._load()

    def run(self) -> Progress:
        """Train until the time is spent or SIGTERM comes, then save and report."""
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
        loss = self._loss(self._volume(spent, rng), rng)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        state.step += 1
        keep = min(_AVERAGE, (1 + state.step) / (20 + state.step))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        state.loss += (loss.item() - state.loss) * max(0.01, 1 / state.step)
        if state.step % 100 == 0:
            print(f"step {state.step}, {state.seconds / 60:.1f} minutes, loss {state.loss:.4f}", flush=True)

    def _loss(self, volume: TrainingVolume, rng: np.random.Generator) -> torch.Tensor:
        reach = max(max(offset) for offset in OFFSETS)
        patch = cut(volume, self.settings.out, self.net.context, reach, rng)
        target, mask = affinities(patch.labels, OFFSETS, self.settings.out)
        raw = patch.raw[None, None].contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net(raw)
        return balanced_loss(logits.float(), target[None], mask[None])

    def _volume(self, spent: float, rng: np.random.Generator) -> TrainingVolume:
        others = self.volumes[1:]
        if others and spent > 0.5 and rng.random() < self.settings.others_share:
            return others[int(rng.integers(len(others)))]
        return self.volumes[0]

    def _save(self) -> None:
        partial = self.checkpoint.with_suffix(".part")
        kept = {"net": self.net.state_dict(), "average": self.average.state_dict()}
        torch.save(
            {**kept, "optimizer": self.optimizer.state_dict(), "progress": json.dumps(vars(self.progress))}, partial
        )
        partial.replace(self.checkpoint)

    def _load(self) -> None:
        saved = torch.load(self.checkpoint, weights_only=True)
        self.net.load_state_dict(saved["net"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.progress = Progress(**json.loads(saved["progress"]))


def learning_rate(spent: float, warm_up: float = 0.02, floor: float = 0.005) -> float:
    """Share of the peak rate: a linear warm-up, then a cosine (Loshchilov and Hutter 2017, SGDR)."""
    if spent < warm_up:
        return floor + (1 - floor) * spent / warm_up
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (spent - warm_up) / (1 - warm_up))))
