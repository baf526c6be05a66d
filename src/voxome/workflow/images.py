"""``voxome.build_images``: images of folders and documents, built and pinned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxome.calls import explain_calls
from voxome.config.settings import settings
from voxome.environments import container_engine, open_environment
from voxome.environments.build import build_folder, build_text, find_dockerfile
from voxome.environments.containers import ContainerEnvironment
from voxome.environments.lock import LOCK_NAME, ImageLock, full_name, id_kind
from voxome.errors import InvalidInput, NotFound
from voxome.workflow.cwl_subset import at

_REQUIREMENT = "DockerRequirement"
_DOCUMENTS = (".cwl",)


@dataclass(frozen=True)
class ImageSource:
    """Where an image comes from.

    Attributes
    ----------
    image : str
        Its name.
    folder : path or None
        Folder with a Dockerfile.
    dockerfile : str or None
        Text of one.
    may_pull : bool
        Whether a document names it as one of a registry.
    """

    image: str
    folder: Path | None = None
    dockerfile: str | None = None
    may_pull: bool = False


@dataclass(frozen=True)
class PinnedImage:
    """An image in a lock file.

    Attributes
    ----------
    image : str
        Its name, with its tag.
    id : str
        Digest of its configuration, or of its file in the environment apptainer.
    is_built : bool
        Whether it was built now.
    entry_point : tuple of str
        Program of the image that gets a command as its arguments; empty if it has none.
    lock : str
        Path of the lock file.
    """

    image: str
    id: str
    is_built: bool
    entry_point: tuple[str, ...]
    lock: str


@explain_calls
def build_images(
    *sources: str | Path,
    tag: str | None = None,
    environment: str | None = None,
    lock: str | Path | None = None,
    allow_network: bool = False,
) -> list[PinnedImage]:
    """Build images, and pin their ids in a lock file, by which runs refuse any other.

    Parameters
    ----------
    *sources : str or path
        Folders with a Dockerfile, CWL documents with the images of their tools, folders of such documents, and names of
        images that are only pinned. The current folder if there are none.
    tag : str, optional
        Name of the image of a folder; by default ``localhost/FOLDER:latest``.
    environment : str, optional
        Environment whose images they are: ``podman`` or ``docker``, or ``apptainer``, which cannot build. By default
        the first of these that is installed, unless the setting ``environment`` names one.
    lock : path, optional
        Lock file; by default ``voxome.lock.json`` in the folder of each source.
    allow_network : bool
        Whether builds may use the network, and images may be pulled.

    Returns
    -------
    list of PinnedImage

    Raises
    ------
    NotFound
        If a source, a Dockerfile or an image is not there.
    InvalidInput
        If a document is not valid, or if the environment cannot build.
    EnvironmentFailed
        If a build fails.
    """
    configured = settings().environment
    is_container = configured is not None and configured.partition("?")[0] != "native"
    chosen = open_environment(environment or (configured if is_container else None) or container_engine())
    network = allow_network or settings().allow_network
    pinned: list[PinnedImage] = []
    for source in [str(one) for one in sources] or ["."]:
        beside = Path(lock) if lock is not None else _folder_of(source) / LOCK_NAME
        content = ImageLock.read(beside.absolute())
        for one in image_sources(source, tag):
            id = _pin(chosen, one, network)
            content = content.pin(one.image, id_kind(chosen), id)
            entry_point = chosen.entry_point(id) if isinstance(chosen, ContainerEnvironment) else ()
            is_built = one.folder is not None or one.dockerfile is not None
            pinned.append(PinnedImage(full_name(one.image), id, is_built, entry_point, str(content.path)))
        content.write()
    return pinned


def image_sources(source: str, tag: str | None = None) -> list[ImageSource]:
    """Return the images of a folder, a document, or of a name.

    Raises
    ------
    NotFound, InvalidInput
        If a folder has neither a Dockerfile nor CWL documents, or if a document is not valid.
    """
    path = Path(source)
    if path.is_dir():
        if find_dockerfile(path):
            return [ImageSource(tag or f"localhost/{path.resolve().name.lower()}:latest", folder=path)]
        documents = sorted(one for one in path.iterdir() if one.suffix in _DOCUMENTS)
        if not documents:
            raise NotFound(f"{source} has neither a Dockerfile nor CWL documents; give another folder, or an image")
        return list(dict.fromkeys(one for document in documents for one in _images_of(str(document))))
    if tag is not None:
        raise InvalidInput(f"A tag is the name of the image of a folder, and {source} is none; leave out --tag")
    if Path(source.partition("#")[0]).is_file() and not source.endswith(".sif"):
        return list(dict.fromkeys(_images_of(source)))
    if Path(source).suffix in _DOCUMENTS:
        raise NotFound(f"{source} does not exist; expected a CWL document, a folder, or the name of an image")
    return [ImageSource(source, may_pull=True)]


def _images_of(document: str) -> Iterator[ImageSource]:
    """Yield the images that a document and its steps require or hint at."""
    from voxome.workflow.cwl import parse_process

    for requirement in _requirements(parse_process(document)):
        name = requirement.get("dockerImageId") or requirement.get("dockerPull")
        if not name:
            fields = ", ".join(sorted(key for key in requirement if key.startswith("docker"))) or "nothing"
            message = (
                f"a {_REQUIREMENT} has {fields}; expected dockerPull, or dockerImageId, with dockerFile if it is built"
            )
            raise InvalidInput(at(requirement, "class", message))
        text = requirement.get("dockerFile")
        if text is not None and "$include" in text:
            raise InvalidInput(at(requirement, "dockerFile", "the file of $include was not found"))
        yield ImageSource(str(name), dockerfile=text and str(text), may_pull="dockerPull" in requirement)


def _requirements(process: Any) -> Iterator[Mapping[str, Any]]:
    for entry in [*(process.tool.get("requirements") or ()), *(process.tool.get("hints") or ())]:
        if entry.get("class") == _REQUIREMENT:
            yield entry
    for step in getattr(process, "steps", ()):
        for entry in [*(step.tool.get("requirements") or ()), *(step.tool.get("hints") or ())]:
            if entry.get("class") == _REQUIREMENT:
                yield entry
        yield from _requirements(step.embedded_tool)


def _pin(environment: Any, source: ImageSource, network: bool) -> str:
    """Build an image or find it, and return its id."""
    if source.folder is None and source.dockerfile is None:
        return str(environment.prepare(source.image, may_pull=source.may_pull and network))
    if not isinstance(environment, ContainerEnvironment):
        raise InvalidInput(
            f"The environment {environment.name} cannot build {source.image} from a Dockerfile; build it with podman "
            f"or docker, and make a file of it: apptainer build NAME.sif docker-daemon:{source.image}"
        )
    if source.folder is not None:
        return build_folder(environment, source.folder, source.image, network=network)
    return build_text(environment, source.dockerfile or "", source.image, network=network)


def _folder_of(source: str) -> Path:
    """Return the folder of a source: its own, that of a document, or the current one for a name."""
    path = Path(source.partition("#")[0])
    return path if path.is_dir() else path.parent if path.is_file() else Path()
