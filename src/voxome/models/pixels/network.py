"""Networks with channels that are classes of voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voxome.config.settings import settings
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnknownName
from voxome.extras import require
from voxome.models.cards import Model, load
from voxome.models.pixels.place import Place
from voxome.models.pixels.suitability import differences


@dataclass(frozen=True)
class Network:
    """A network, whose file is a model card, and whose channels are probabilities."""

    model: Model
    memory_bytes: ClassVar[int] = 1_200_000_000

    @classmethod
    def read(cls, fields: dict[str, Any], file: Path) -> Network:
        """Return the network of a model card."""
        require("em", "onnxruntime")
        return cls(load(file))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the channels."""
        return self.model.card.channels

    @property
    def digest(self) -> str:
        """Digest of the card, which has that of the network."""
        return f"{self.model.card.sha256}{self.model.card.model_dump_json()}"

    @property
    def grey_range(self) -> tuple[float, float] | None:
        """Percentiles 1 and 99 of the grey values of the training data, if its input is scaled by fixed numbers."""
        card = self.model.card
        fixed = card.normalization.statistics == "fixed"
        return (card.contrast.percentile_1, card.contrast.percentile_99) if fixed else None

    def find_class(self, name: str) -> int:
        """Return the index of a channel."""
        if name not in self.classes:
            raise UnknownName.of("class", name, self.classes, f"the network {self.model.card.name!r}")
        return self.classes.index(name)

    def problems(self, spec: VolumeSpec) -> Iterator[str]:
        """Yield why a volume is unlike the training data."""
        yield from differences(spec, self.model.card)

    def reach(self, scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
        """Return the voxels (z, y, x) that it needs on every side, whatever their size."""
        return self.model.card.halo

    def predict(self, image: NDArray[np.float32], where: Place, index: int) -> NDArray[np.uint8]:
        """Return the probability of a class."""
        from voxome.models.infer import predict

        if where.moments is None and self.model.card.normalization.statistics == "volume":
            raise InvalidInput(
                f"The network {self.model.card.name!r} needs the mean of the volume; run "
                "pipelines/common/pixels.cwl, or connect histogram to common.statistics"
            )
        mean, std = where.moments or (0.0, 1.0)
        read = where.box.grow(self.model.card.halo)
        found = predict(
            image, read, where.box, where.domain, self.model, mean=mean, std=std, threads=settings().threads
        )
        return found[index]
