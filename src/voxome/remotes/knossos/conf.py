"""``knossos.conf``: name, size and voxel size of a folder of cubes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxome.errors import CorruptData
from voxome.remotes.knossos.cubes import SUFFIXES
from voxome.storage.atomic import replacing, storing
from voxome.storage.bounded_file import read_document
from voxome.storage.inside import is_inside

CONF = "knossos.conf"
_LINE = re.compile(r'^\s*(experiment name|boundary [xyz]|scale [xyz]|magnification)\s+"?([^";]+)"?\s*;', re.MULTILINE)
_MAG = re.compile(r"mag(\d+)")


@dataclass(frozen=True)
class Conf:
    """A folder of cubes as its ``knossos.conf`` describes it."""

    folder: Path
    name: str
    shape: tuple[int, int, int]
    voxel_size_nm: tuple[float, float, float] | None

    @classmethod
    def read(cls, folder: Path) -> Conf:
        path = folder / CONF
        values = dict(_LINE.findall(read_document(path).decode(errors="replace")))
        try:
            z, y, x = (int(values[f"boundary {axis}"]) for axis in "zyx")
            sizes = [float(values[f"scale {axis}"]) for axis in "zyx" if f"scale {axis}" in values]
            name = values["experiment name"]
            if not is_inside(name) or "/" in name:
                raise CorruptData(f"{path}: the experiment name {name!r:.200} cannot be part of the name of a file")
        except (KeyError, ValueError) as error:
            raise CorruptData(
                f"{path} has no valid entry {error}; expected experiment name, boundary and scale"
            ) from error
        return cls(folder, name, (z, y, x), (sizes[0], sizes[1], sizes[2]) if len(sizes) == 3 else None)

    def write(self, magnification: int) -> None:
        lines = [f'experiment name "{self.name}";']
        lines += [f"boundary {axis} {n};" for axis, n in zip("xyz", self.shape[::-1], strict=True)]
        if self.voxel_size_nm is not None:
            lines += [f"scale {axis} {n!r};" for axis, n in zip("xyz", self.voxel_size_nm[::-1], strict=True)]
        with storing(self.folder), replacing(self.folder / CONF) as new:
            new.write_text("\n".join([*lines, f"magnification {magnification};", ""]), encoding="utf-8")

    def cube(self, index: Sequence[int]) -> Path:
        """Return the path of a cube, without suffix."""
        z, y, x = index
        return self.folder / f"x{x:04d}/y{y:04d}/z{z:04d}" / f"{self.name}_x{x:04d}_y{y:04d}_z{z:04d}"

    @property
    def own_files(self) -> str:
        """Regular expression for the paths of its files, relative to its folder."""
        places = [rf"{axis}\d{{4,}}" for axis in "xyz"]
        cube = "/".join([*places, "_".join([re.escape(self.name), *places])])
        return f"{re.escape(CONF)}|{cube}({'|'.join(map(re.escape, SUFFIXES))})"


def magnifications(folder: Path) -> dict[int, Path]:
    """Return magnification → folder with a ``knossos.conf``: `folder` itself, or those named magN in it."""
    if (folder / CONF).is_file():
        return {1: folder}
    inside = folder.iterdir() if folder.is_dir() else iter(())
    folders = {int(mag[1]): path for path in inside if (mag := _MAG.fullmatch(path.name))}
    return {mag: path for mag, path in folders.items() if (path / CONF).is_file()}
