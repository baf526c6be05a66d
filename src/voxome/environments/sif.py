"""Image files of apptainer, found again by their digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from voxome.contracts.json_text import json_text, parse_object
from voxome.errors import InvalidInput, NotFound
from voxome.storage.atomic import replacing


def images_folder() -> Path:
    """Return the folder of images that were pulled, and of what is known about image files."""
    return Path(platformdirs.user_cache_dir("voxome")) / "images"


@dataclass(frozen=True)
class ImageFile:
    """An image file, and how it was when its digest was computed.

    Attributes
    ----------
    path : str
        Absolute path.
    size, mtime_ns, inode : int
        As in `os.stat_result`.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> ImageFile:
        """Return the file at a path, as it is now."""
        status = path.stat()
        return cls(str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino)


def register(path: Path) -> str:
    """Return the SHA-256 digest of an image file, by which `find` finds it again."""
    file = ImageFile.at(path)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = images_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{digest}.json") as partial:
        partial.write_text(json_text(vars(file), "the image file"), encoding="utf-8")
    return f"sha256:{digest}"


def find(digest: str) -> str:
    """Return the path of the image file with a digest.

    Raises
    ------
    NotFound, InvalidInput
        If it was not prepared by this user, or if it has changed since.
    """
    record = images_folder() / f"{digest.removeprefix('sha256:')}.json"
    data = parse_object(record.read_bytes()) if record.is_file() else None
    if data is None:
        raise NotFound(f"No image file with the digest {digest} is known on this machine; prepare the image again")
    known = ImageFile(**data)
    if not Path(known.path).is_file():
        raise NotFound(f"The image file {known.path} is not there; restore it, or prepare the image again")
    if ImageFile.at(Path(known.path)) != known:
        raise InvalidInput(
            f"The image file {known.path} has changed since it was prepared; expected the one with the digest "
            f"{digest}; prepare it again, or restore it"
        )
    return known.path
