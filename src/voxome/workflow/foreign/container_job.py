"""Jobs in containers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cwltool.errors import UnsupportedRequirement, WorkflowException

from voxome.config.settings import settings
from voxome.contracts.environment import Mount
from voxome.environments import container_engine, open_environment
from voxome.environments.lock import ImageLock, prepare_image
from voxome.errors import VoxomeError
from voxome.workflow.foreign.digests import walk
from voxome.workflow.foreign.job import ForeignJob

_NAMES = ("dockerImageId", "dockerPull")


class ContainerJob(ForeignJob):
    """A job whose command sees its folders and inputs at the paths that they have on this machine, and an image.

    Links that stage inputs lead to the same files in the container, so staging is that of other jobs.
    """

    output_folder: str | None = None
    """Another path at which the command sees its work folder."""

    def stage(self, context: Any) -> None:
        """Make the folders of an attempt; what belongs elsewhere in the container is mounted there."""
        self._elsewhere: list[Mount] = []
        super().stage(context)

    def adopt(self, context: Any) -> None:
        """Take over the folders of the job, and mount again what belongs elsewhere in the container."""
        self._elsewhere = []
        super().adopt(context)

    def adopt_generated(self, context: Any) -> None:
        """Prepare the mounts of what is not in the work folder."""
        self._mount_generated(context, is_staged=True)

    def stage_generated(self, context: Any) -> None:
        """Stage what is in the work folder, and prepare the mounts of the rest."""
        self._mount_generated(context, is_staged=False)
        super().stage_generated(context)

    def _mount_generated(self, context: Any, *, is_staged: bool) -> None:
        for number, (location, entry) in enumerate(list(self.generatemapper.items())):
            if Path(entry.target).is_relative_to(self.outdir):
                continue
            source = entry.resolved
            if entry.type.startswith("Create"):
                file = self.folder.inputs / f"file{number}" / Path(entry.target).name
                secrets = context.secret_store
                is_secret = secrets is not None and secrets.has_secret(entry.resolved)
                if not is_staged:
                    file.parent.mkdir(parents=True)
                    file.write_text(secrets.retrieve(entry.resolved) if is_secret else entry.resolved, encoding="utf-8")
                self._secret_files += [file] if is_secret else []
                source = str(file)
            if entry.staged and not source.startswith("_:"):
                self._elsewhere.append(Mount(source, entry.target))
            del self.generatemapper._pathmap[location]

    def command_folder(self) -> str:
        """Return the work folder, as the command sees it."""
        return self.output_folder or self.outdir

    def mounts(self) -> tuple[Mount, ...]:
        """Return what the command sees of this machine, after `stage`."""
        mounts = {mount.target: mount for mount in (*super().mounts(), *self._elsewhere)}
        if self.output_folder is not None:
            mounts[self.output_folder] = Mount(self.outdir, self.output_folder, True)
        mappers = [self.pathmapper] if self.generatemapper is None else [self.pathmapper, self.generatemapper]
        for entry in (one for mapper in mappers for one in mapper):
            path = Path(entry.resolved)
            if not path.is_absolute() or any(path.is_relative_to(mount.target) for mount in mounts.values()):
                continue
            mounts[str(path)] = Mount(str(path), str(path), self.inplace_update and entry.type.startswith("Writable"))
            for link in _links_out_of(path):
                mounts.setdefault(link.target, link)
        return tuple(mounts.values())


def _links_out_of(folder: Path) -> Iterator[Mount]:
    """Yield mounts of that to which links in a folder lead, elsewhere: the command would see them lead nowhere."""
    if not folder.is_dir():
        return
    root = os.path.realpath(folder)
    for _, path in walk(folder):
        if path.is_symlink() and path.exists() and not Path(os.path.realpath(path)).is_relative_to(root):
            target = os.path.normpath(Path(os.path.realpath(path.parent), path.readlink()))
            yield Mount(os.path.realpath(path), target)


def engine_of_images() -> str:
    """Return the name of the environment of containers whose engine is installed.

    Raises
    ------
    UnsupportedRequirement
        If there is none.
    """
    try:
        return container_engine()
    except VoxomeError as error:
        raise UnsupportedRequirement(str(error)) from error


def document_path(process: Any) -> str:
    """Return the path of the document of a process."""
    return unquote(urlsplit(str(process.tool["id"])).path)


def image_of(requirement: Any, is_required: bool, environment: str, document: str) -> str:
    """Return the digest of the image of a DockerRequirement, which is the one that the lock file of a document pins.

    Raises
    ------
    UnsupportedRequirement
        If it names none, or if it is required and not there, or another one than is pinned.
    WorkflowException
        If it is not there and only a hint.
    """
    name = next((requirement[field] for field in _NAMES if field in requirement), None)
    if name is None:
        raise UnsupportedRequirement(
            f"DockerRequirement has {', '.join(sorted({*requirement} - {'class'}))}; expected dockerPull or "
            "dockerImageId: build or load the image, and name it"
        )
    may_pull = name == requirement.get("dockerPull") and settings().allow_network
    try:
        opened, lock = open_environment(environment), ImageLock.find(document)
        return prepare_image(opened, name, lock, may_pull=may_pull)
    except VoxomeError as error:
        raise (UnsupportedRequirement if is_required else WorkflowException)(str(error)) from error
