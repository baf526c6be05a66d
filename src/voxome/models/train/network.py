"""Small 3-D U-Net with valid convolutions that predicts affinities.

The encoder and decoder of Ronneberger et al. 2015 (U-Net) in three dimensions, with the residual units of He
et al. 2016 at the coarse levels and affinities to near and far neighbours as outputs (Lee et al. 2017,
"Superhuman accuracy on the SNEMI3D connectomics challenge"). There is no normalisation layer and no padding,
so an output voxel depends only on its neighbourhood, never on the tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

Offset = tuple[int, int, int]

NEAR: tuple[Offset, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
FAR: tuple[Offset, ...] = tuple(
    (d if a == 0 else 0, d if a == 1 else 0, d if a == 2 else 0) for d in (4, 10) for a in range(3)
)
OFFSETS: tuple[Offset, ...] = NEAR + FAR


@dataclass(frozen=True, slots=True)
class Widths:
    """Number of feature maps at full, half and quarter resolution."""

    full: int = 16
    half: int = 32
    half_up: int = 48
    quarter: int = 72


def crop(x: Tensor, like: Tensor, margin: int = 0) -> Tensor:
    """Crop the centre of `x` to the spatial shape of `like` plus `margin` voxels on every side."""
    lo = [(a - b) // 2 - margin for a, b in zip(x.shape[2:], like.shape[2:], strict=True)]
    z, y, w = (slice(s, s + n + 2 * margin) for s, n in zip(lo, like.shape[2:], strict=True))
    return x[:, :, z, y, w]


class Residual(nn.Module):
    """Residual unit of two valid 3x3x3 convolutions, which removes 2 voxels on every side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3)
        self.second = nn.Conv3d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + crop(x, y))


class AffinityNet(nn.Module):
    """Network from raw (n, 1, z + 70, y + 70, x + 70) to affinity logits (n, channels, z, y, x).

    Output lengths z, y, x are multiples of 4.

    Attributes
    ----------
    context : voxels of input needed on each side of the output.
    stride : outputs must start at multiples of it, relative to a common origin.
    """

    context = 35
    stride = 4

    def __init__(self, channels: int = len(OFFSETS), widths: Widths = Widths()) -> None:
        super().__init__()
        w = widths
        self.stem = nn.Conv3d(1, w.full, 3)
        self.down1 = nn.Conv3d(1, w.half, 4, stride=2)
        self.enc1 = Residual(w.half)
        self.down2 = nn.Conv3d(w.half, w.quarter, 2, stride=2)
        self.enc2 = nn.Sequential(*(Residual(w.quarter) for _ in range(3)))
        self.up2 = nn.ConvTranspose3d(w.quarter, w.half_up, 2, stride=2)
        self.dec1 = nn.Conv3d(w.half_up + w.half, w.half_up, 3)
        self.dec1b = nn.Conv3d(w.half_up, w.half_up, 3)
        self.up1 = nn.ConvTranspose3d(w.half_up, w.full, 2, stride=2)
        self.dec0 = nn.Conv3d(2 * w.full, w.full, 3)
        self.dec0b = nn.Conv3d(w.full, w.full, 3)
        self.head = nn.Conv3d(w.full, channels, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
                if isinstance(m, nn.ConvTranspose3d):
                    nn.init.normal_(m.weight, std=(2 / m.in_channels) ** 0.5)
                assert m.bias is not None
                nn.init.zeros_(m.bias)
        for m in self.modules():
            if isinstance(m, Residual):
                m.second.weight.data.mul_(0.25)
        self.head.weight.data.mul_(0.1)

    def forward(self, raw: Tensor) -> Tensor:
        half = self.enc1(torch.relu(self.down1(raw)))
        quarter = self.enc2(torch.relu(self.down2(half)))
        up = torch.relu(self.up2(quarter))
        up = torch.relu(self.dec1(torch.cat([up, crop(half, up)], 1)))
        up = torch.relu(self.dec1b(up))
        up = torch.relu(self.up1(up))
        full = torch.relu(self.stem(crop(raw, up, margin=1)))
        up = torch.relu(self.dec0(torch.cat([up, full], 1)))
        up = torch.relu(self.dec0b(up))
        out: Tensor = self.head(up)
        return out
