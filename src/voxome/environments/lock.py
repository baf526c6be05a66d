"""Lock files, which pin images by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxome.contracts.environment import Environment
from voxome.contracts.formats import IMAGE_LOCK
from voxome.contracts.json_text import json_text, parse_object
from voxome.errors import InvalidInput
from voxome.storage.atomic import replacing
from voxome.storage.bounded_file import read_document

LOCK_NAME = "voxome.lock.json"


@dataclass(frozen=True)
class ImageLock:
    """Ids of images by their names.

    Attributes
    ----------
    path : path
        The lock file, which need not exist.
    images : mapping of str to mapping
        Name of an image, with its tag → kind of id (see `id_kind`) → id.
    """

    path: Path
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> ImageLock:
        """Return the content of a lock file; without one, nothing is pinned.

        Raises
        ------
        InvalidInput, UnsupportedFormat
            If it is damaged or of another version.
        """
        if not path.exists():
            return cls(path)
        data = parse_object(read_document(path))
        content = {} if data is None else IMAGE_LOCK.content(data, path)
        images = content.get("images")
        if not isinstance(images, dict) or not all(isinstance(ids, dict) for ids in images.values()):
            raise InvalidInput(
                f"{path} is not a lock file of images; expected what `voxome build` writes: restore it, or remove "
                "it and build again"
            )
        return cls(path, images)

    @classmethod
    def find(cls, document: str | Path) -> ImageLock:
        """Return the lock file beside a document or in the current folder; the first one that exists."""
        beside = Path(str(document).partition("#")[0]).absolute().parent / LOCK_NAME
        return cls.read(beside if beside.exists() else Path(LOCK_NAME).absolute())

    def pin(self, image: str, kind: str, id: str) -> ImageLock:
        """Return this lock with the id of one more image."""
        name = full_name(image)
        return ImageLock(self.path, {**self.images, name: {**self.images.get(name, {}), kind: id}})

    def write(self) -> None:
        """Write the lock file, sorted by name; an equal one is left as it is."""
        data = IMAGE_LOCK.stamp({"images": {name: dict(ids) for name, ids in sorted(self.images.items())}})
        text = json_text(data, "the lock file", indent=2) + "\n"
        if not self.path.exists() or self.path.read_text(encoding="utf-8") != text:
            with replacing(self.path) as partial:
                partial.write_text(text, encoding="utf-8")

    def check(self, image: str, kind: str, id: str) -> None:
        """Check the id of an image.

        Raises
        ------
        InvalidInput
            If the lock has another one.
        """
        ids = self.images.get(full_name(image))
        if ids is None:
            return
        pinned = ids.get(kind)
        if pinned is None:
            raise InvalidInput(
                f"{self.path} pins the image {image} by its {_listed(ids)}, and this environment needs its {kind}; "
                f"pin it as well: voxome build {image} --environment {environment_of(kind)}"
            )
        if pinned != id:
            raise InvalidInput(
                f"The image {image} is {id}, but {self.path} pins {pinned}; load or pull that one, or pin this one "
                f"with `voxome build {image}`"
            )


def id_kind(environment: Environment) -> str:
    """Return what the ids of images are in an environment: the digest of their configuration, or of a file."""
    return "file" if environment.name == "apptainer" else "config"


def environment_of(kind: str) -> str:
    """Return the name of an environment whose ids are of a kind."""
    return "apptainer" if kind == "file" else "podman"


def full_name(image: str) -> str:
    """Return the name of an image with its tag.

    Examples
    --------
    >>> full_name("localhost:5000/tool"), full_name("tool:2"), full_name("tool@sha256:ab")
    ('localhost:5000/tool:latest', 'tool:2', 'tool@sha256:ab')
    """
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last or image.endswith(".sif") else f"{image}:latest"


def prepare_image(environment: Environment, image: str, lock: ImageLock, *, may_pull: bool = False) -> str:
    """Make sure that an image is there and is the one that a lock pins, and return its id.

    Parameters
    ----------
    environment : Environment
        Where it is used.
    image : str
        Name, or id.
    lock : ImageLock
        What is pinned; an image that it does not name may be any.
    may_pull : bool
        Whether an image that is not on this machine is pulled from a registry.

    Raises
    ------
    NotFound, InvalidInput
        As by `Environment.prepare`, and if the image is another one than the lock pins.
    """
    id = environment.prepare(image, may_pull=may_pull)
    lock.check(image, id_kind(environment), id)
    return id


def _listed(ids: Mapping[str, str]) -> str:
    return " and ".join(sorted(ids)) or "nothing"
