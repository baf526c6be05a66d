"""Train the affinity network for a fixed time on one machine."""

from __future__ import annotations

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voxome.models.train.data import TrainingVolume, cut
from voxome.models.train.export import export
from voxome.models.train.network import OFFSETS, AffinityNet
from voxome.models.train.targets import affinities, balanced_loss

Report = Callable[[AffinityNet], dict[str, Any]]


@dataclass
class Settings:
    """What a training depends on beside its data.

    Attributes
    ----------
    minutes : time spent in training steps before it ends; the learning rate follows a cosine over it.
    out : voxels a side of the patch of affinities.
    rate : peak learning rate of AdamW.
    second_share : share of patches from the second and later volumes, from half-time on.
    report_minutes : training time between two exports.
    """

    minutes: float
    seed: int = 1
    out: int = 64
    rate: float = 2e-3
    threads: int = 2
    second_share: float = 0.3
    report_minutes: float = 10.0


@dataclass
class Progress:
    """State that outlives a stopped process."""

    step: int = 0
    seconds: float = 0.0
    reported: float = 0.0
    loss: float = 1.0
    scores: dict[str, Any] = field(default_factory=dict)


class Training:
    """One training; `run` continues from the checkpoint in `folder` if there is one."""

    def __init__(self, volumes: Sequence[TrainingVolume], folder: Path, settings: Settings, report: Report) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.volumes, self.folder, self.settings, self.report = volumes, folder, settings, report
        self.net = AffinityNet().to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.mean = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=settings.rate, weight_decay=1e-4)
        self.progress = Progress()
        self.stopping = False
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._load()

    def run(self) -> Progress:
        """Train until the time is spent or the process is asked to end, then save and export."""
        signal.signal(signal.SIGTERM, self._stop)
        state, budget = self.progress, 60 * self.settings.minutes
        saved = time.monotonic()
        while state.seconds < budget and not self.stopping:
            begin = time.monotonic()
            self._step(state.seconds / budget)
            state.seconds += time.monotonic() - begin
            if time.monotonic() - saved > 60:
                self._save()
                saved = time.monotonic()
            if state.seconds - state.reported > 60 * self.settings.report_minutes:
                self._report()
        self._report()
        return state

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _step(self, spent: float) -> None:
        state, settings = self.progress, self.settings
        rng = np.random.default_rng((settings.seed, state.step))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * learning_rate(spent)
        reach = max(max(offset) for offset in OFFSETS)
        patch = cut(self._volume(spent, rng), settings.out, AffinityNet.context, reach, rng)
        target, mask = affinities(patch.labels, OFFSETS, settings.out)
        raw = patch.raw[None, None].contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net(raw)
        loss = balanced_loss(logits.float(), target[None], mask[None])
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        state.step += 1
        decay = min(0.998, (1 + state.step) / (20 + state.step))
        with torch.no_grad():
            for slow, fast in zip(self.mean.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        state.loss += (loss.item() - state.loss) * max(0.01, 1 / state.step)
        if state.step % 100 == 0:
            print(f"step {state.step} minutes {state.seconds / 60:.1f} loss {state.loss:.4f}", flush=True)

    def _volume(self, spent: float, rng: np.random.Generator) -> TrainingVolume:
        others = self.volumes[1:]
        if others and spent > 0.5 and rng.random() < self.settings.second_share:
            return others[rng.integers(len(others))]
        return self.volumes[0]

    def _report(self) -> None:
        state = self.progress
        state.reported = state.seconds
        state.scores = self.report(self.mean)
        self._save()
        path = self.folder / "export" / "latest.onnx"
        path.parent.mkdir(exist_ok=True)
        export(copy.deepcopy(self.mean).to(memory_format=torch.contiguous_format), path)  # type: ignore[call-overload]
        facts = {
            "offsets": OFFSETS,
            "context": AffinityNet.context,
            "stride": AffinityNet.stride,
            "mean": self.volumes[0].mean,
            "std": self.volumes[0].std,
            "minutes": round(state.seconds / 60, 1),
            "steps": state.step,
            "loss": state.loss,
            "scores": state.scores,
        }
        path.with_suffix(".json").write_text(json.dumps(facts, indent=1, default=float))
        print(f"step {state.step} minutes {state.seconds / 60:.1f} {json.dumps(state.scores, default=float)}", flush=True)

    def _save(self) -> None:
        partial = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "net": self.net.state_dict(),
                "mean": self.mean.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": json.dumps(vars(self.progress), default=float),
            },
            partial,
        )
        partial.replace(self.checkpoint)

    def _load(self) -> None:
        saved = torch.load(self.checkpoint, weights_only=True)
        self.net.load_state_dict(saved["net"])
        self.mean.load_state_dict(saved["mean"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.progress = Progress(**json.loads(saved["progress"]))


def learning_rate(spent: float, warm_up: float = 0.02, floor: float = 0.005) -> float:
    """Share of the peak rate after the share `spent` of the time: a linear warm-up, then a cosine (Loshchilov and Hutter 2017)."""
    if spent < warm_up:
        return floor + (1 - floor) * spent / warm_up
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (spent - warm_up) / (1 - warm_up))))
