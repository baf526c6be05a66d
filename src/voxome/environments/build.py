"""Images built from Dockerfiles."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from voxome.environments.containers import ContainerEnvironment
from voxome.environments.programs import ask
from voxome.errors import EnvironmentFailed, InvalidInput, NotFound

DOCKERFILES = ("Dockerfile", "Containerfile")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
_OTHERS = (
    re.compile(r"^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*--from=(\S+)", re.IGNORECASE | re.MULTILINE),
    re.compile(r"--mount=\S*?\bfrom=([^\s,]+)", re.IGNORECASE),
    re.compile(r"\A\s*#\s*syntax\s*=\s*(\S+)", re.IGNORECASE),
)
"""Other images that a Dockerfile uses: of files that it copies or mounts, and of the program that reads it."""


def find_dockerfile(folder: Path) -> Path | None:
    """Return the Dockerfile or Containerfile of a folder; None if it has neither."""
    return next((folder / name for name in DOCKERFILES if (folder / name).is_file()), None)


def build_folder(environment: ContainerEnvironment, folder: Path, tag: str, *, network: bool) -> str:
    """Build an image from a folder with a Dockerfile, and return its id.

    Parameters
    ----------
    environment : ContainerEnvironment
        Its engine builds.
    folder : path
        What the Dockerfile may copy.
    tag : str
        Name of the image.
    network : bool
        Whether the build may use the network, also to pull images that it uses.

    Raises
    ------
    NotFound
        If there is no Dockerfile, or if an image that it uses would have to be pulled.
    EnvironmentFailed
        If the build fails; its messages are on standard error.
    """
    file = find_dockerfile(folder)
    if file is None:
        raise NotFound(
            f"{folder} has no {' or '.join(DOCKERFILES)}; give a folder with one, a CWL document, or an image"
        )
    arguments = [environment.program, "build", f"--tag={tag}", f"--file={file}"]
    if not network:
        arguments.append("--network=none")
        _require_bases(environment, file)
    ended = subprocess.run([*arguments, str(folder)], stdin=subprocess.DEVNULL, stdout=sys.__stderr__, check=False)
    if ended.returncode:
        hint = "" if network else "; a build that needs the network is allowed it by --allow-network"
        raise EnvironmentFailed(
            f"{environment.name} could not build {tag} from {file} (status {ended.returncode}): see its messages{hint}"
        )
    return environment.prepare(tag)


def build_text(environment: ContainerEnvironment, dockerfile: str, tag: str, *, network: bool) -> str:
    """Build an image from the text of a Dockerfile, which can copy nothing, and return its id; as `build_folder`."""
    with tempfile.TemporaryDirectory(prefix="voxome-build-") as name:
        (Path(name) / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        return build_folder(environment, Path(name), tag, network=network)


def _require_bases(environment: ContainerEnvironment, file: Path) -> None:
    """Check that the images that a Dockerfile uses are there: engines would pull them without a question."""
    for base in _bases(file.read_text(encoding="utf-8")):
        if "$" in base:
            raise InvalidInput(
                f"{file} uses {base}, which may be any image, and it would be pulled; name the image, or allow that "
                "with --allow-network"
            )
        if ask([environment.program, "image", "inspect", base]).returncode:
            raise NotFound(
                f"{file} uses the image {base}, which is not on this machine; build or load it, or let it be pulled "
                "with --allow-network"
            )


def _bases(dockerfile: str) -> Iterator[str]:
    """Yield the images that a Dockerfile uses, but not its own stages, which have names and numbers."""
    text = dockerfile.replace("\\\n", " ")
    stages = {"scratch"}
    for base, stage in _FROM.findall(text):
        if base.lower() not in stages:
            yield base
        if stage:
            stages.add(stage.lower())
    for pattern in _OTHERS:
        yield from (one for one in pattern.findall(text) if one.lower() not in stages and not one.isdigit())
