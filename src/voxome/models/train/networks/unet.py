"""Small U-Net with valid convolutions.

The encoder and decoder of Ronneberger et al. 2015 (U-Net), with the residual units of He et al. 2016 at the coarse
levels. There is no normalisation layer and no padding, so an output voxel depends only on its neighbourhood, never on
the tile. Networks of sections, and those of volumes with coarse z, have the same layers with kernels of one voxel along
z at the finest levels (Lee et al. 2017, "Superhuman accuracy on the SNEMI3D connectomics challenge").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Shape = tuple[int, int, int]
LEVELS = 3
"""Full, half and quarter resolution."""


@dataclass(frozen=True, slots=True)
class Form:
    """Form of a network.

    Attributes
    ----------
    widths : feature maps at full resolution, at half, in the decoder at half, and at quarter resolution.
    units : residual units at quarter resolution.
    flat_levels : levels, from the finest, whose convolutions do not mix sections; 3 for a network of sections.
    """

    widths: tuple[int, int, int, int] = (16, 32, 48, 72)
    units: int = 3
    flat_levels: int = 0

    @property
    def stride(self) -> Shape:
        """Outputs must start at multiples of it (z, y, x), relative to a common origin."""
        return 2 ** max(0, 2 - self.flat_levels), 4, 4

    @property
    def context(self) -> Shape:
        """Voxels (z, y, x) of input needed on each side of the output."""
        z, y, x = ((self._input(n, axis) - n) // 2 for axis, n in enumerate(self.stride))
        return z, y, x

    def is_flat(self, level: int, axis: int) -> bool:
        """Whether kernels of a level have one voxel along an axis."""
        return axis == 0 and level < self.flat_levels

    def _input(self, out: int, axis: int) -> int:
        """Return the length of the input for an output of length `out`."""
        full, half, quarter = (0 if self.is_flat(level, axis) else 2 for level in range(LEVELS))
        first, second = (1 if self.is_flat(level, axis) else 2 for level in range(LEVELS - 1))
        length = (out + 2 * full) // first + 2 * half
        length = (length // second + 2 * self.units * quarter) * second + 2 * half
        return length if first == 1 else 2 * length + 2


class UNet(nn.Module):
    """Network from raw (n, 1, z, y, x), grown by its context, to logits (n, channels, z, y, x).

    Output lengths are multiples of the stride.
    """

    def __init__(self, channels: int, form: Form = Form()) -> None:
        super().__init__()
        self.form, self.channels = form, channels
        full, half, half_up, quarter = form.widths
        self.stem = _conv(1, full, form, 0)
        self.down1 = nn.Conv3d(1, half, _size(form, 0, 4), stride=_size(form, 0, 2))
        self.enc1 = Residual(half, form, 1)
        self.down2 = nn.Conv3d(half, quarter, _size(form, 1, 2), stride=_size(form, 1, 2))
        self.enc2 = nn.Sequential(*(Residual(quarter, form, 2) for _ in range(form.units)))
        self.up2 = nn.ConvTranspose3d(quarter, half_up, _size(form, 1, 2), stride=_size(form, 1, 2))
        self.dec1 = _conv(half_up + half, half_up, form, 1)
        self.dec1b = _conv(half_up, half_up, form, 1)
        self.up1 = nn.ConvTranspose3d(half_up, full, _size(form, 0, 2), stride=_size(form, 0, 2))
        self.dec0 = _conv(2 * full, full, form, 0)
        self.dec0b = _conv(full, full, form, 0)
        self.head = nn.Conv3d(full, channels, 1)
        self._initialise()

    @property
    def context(self) -> Shape:
        """Voxels (z, y, x) of input needed on each side of the output."""
        return self.form.context

    @property
    def stride(self) -> Shape:
        """Outputs must start at multiples of it (z, y, x)."""
        return self.form.stride

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if isinstance(module, nn.ConvTranspose3d):
                    nn.init.normal_(module.weight, std=(2 / module.in_channels) ** 0.5)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Residual):
                module.second.weight.data.mul_(0.25)
        self.head.weight.data.mul_(0.1)

    def forward(self, raw: Tensor) -> Tensor:
        half = self.enc1(torch.relu(self.down1(raw)))
        quarter = self.enc2(torch.relu(self.down2(half)))
        up = torch.relu(self.up2(quarter))
        up = torch.relu(self.dec1(torch.cat([up, crop(half, up)], 1)))
        up = torch.relu(self.dec1b(up))
        up = torch.relu(self.up1(up))
        full = torch.relu(self.stem(crop(raw, up, _size(self.form, 0, 3))))
        up = torch.relu(self.dec0(torch.cat([up, full], 1)))
        up = torch.relu(self.dec0b(up))
        out: Tensor = self.head(up)
        return out


class Residual(nn.Module):
    """Residual unit of two valid convolutions, which removes 2 voxels on every side."""

    def __init__(self, width: int, form: Form, level: int) -> None:
        super().__init__()
        self.first = _conv(width, width, form, level)
        self.second = _conv(width, width, form, level)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + crop(x, y))


def crop(x: Tensor, like: Tensor, kernel: Shape = (1, 1, 1)) -> Tensor:
    """Crop the centre of `x` to the spatial shape of `like`, with what a valid `kernel` removes."""
    shape = [n + k - 1 for n, k in zip(like.shape[2:], kernel, strict=True)]
    z, y, w = (slice((a - n) // 2, (a - n) // 2 + n) for a, n in zip(x.shape[2:], shape, strict=True))
    return x[:, :, z, y, w]


def count_weights(form: Form, channels: int) -> int:
    """Return the number of weights of a network."""
    with torch.device("meta"):
        return sum(math.prod(one.shape) for one in UNet(channels, form).parameters())


def _size(form: Form, level: int, size: int) -> Shape:
    return 1 if form.is_flat(level, 0) else size, size, size


def _conv(before: int, after: int, form: Form, level: int) -> nn.Conv3d:
    return nn.Conv3d(before, after, _size(form, level, 3))
