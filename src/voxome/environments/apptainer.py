"""Containers of apptainer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from voxome.contracts.environment import Command, EndCheck, Launch, LimitsKept, Mount
from voxome.environments import sif
from voxome.environments.container_arguments import HOME, csv_row, own_mounts, own_variables
from voxome.environments.programs import find_program, output_of
from voxome.errors import EnvironmentFailed, InvalidInput, NotFound

_PULL_TIMEOUT_S = 3600.0
_FAILED = 255
_VARIABLE = "APPTAINERENV_"
_INSTEAD = "the environment podman"


class ApptainerEnvironment:
    """Runs commands in containers of apptainer; images are files, ``NAME.sif``.

    The entry point of an image that was made from one of docker is kept, and gets the command as its arguments.
    """

    name = "apptainer"

    def prepare(self, image: str, *, may_pull: bool = False) -> str:
        program = find_program(self.name, _INSTEAD)
        path = Path(image)
        if not path.is_file():
            path = sif.images_folder() / f"{quote(image, safe='')}.sif"
        if not path.is_file() and may_pull:
            path.parent.mkdir(parents=True, exist_ok=True)
            output_of([program, "pull", str(path), f"docker://{image}"], timeout_s=_PULL_TIMEOUT_S)
        if not path.is_file():
            raise NotFound(
                f"There is no image file {image}, and none at {path}; make it with `apptainer build "
                f"{path} docker-daemon:{image}`, or let it be pulled with --allow-network if the document names it as "
                "dockerPull"
            )
        return sif.register(path)

    def launch(self, command: Command, scratch: Path) -> Launch:
        if command.image is None:
            raise InvalidInput(
                f"{command.argv[0]} names no image, and the environment apptainer runs commands in containers; give a "
                "DockerRequirement, or use the environment native"
            )
        given = {**own_variables(), "PYTHONNOUSERSITE": "1", **command.variables}
        home = given.pop("HOME")
        mounts = [*command.mounts, *(one for one in own_mounts(command, scratch) if one.target != HOME)]
        arguments = [find_program(self.name, _INSTEAD), "--quiet", "run", "--containall", "--cleanenv", "--no-eval"]
        arguments += ["--no-privs", "--no-mount=bind-paths", f"--home={_source_of(home, mounts, scratch)}:{home}"]
        arguments += [] if command.network else ["--net", "--network=none"]
        arguments += ["--nv"] if command.gpus else []
        if os.getuid() == 0:
            arguments += [f"--memory={command.memory_bytes}"] if command.memory_bytes is not None else []
            arguments += [f"--cpus={command.cpus:.3f}"] if command.cpus is not None else []
        for mount in sorted(mounts, key=lambda one: PurePosixPath(one.target).parts):
            fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
            arguments.append(f"--mount={csv_row([*fields, *([] if mount.is_writable else ['ro'])])}")
        arguments += [f"--pwd={command.folder}", sif.find(command.image), *command.argv]
        variables = {f"{_VARIABLE}{name}": value for name, value in given.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_VARIABLE)}
        return Launch(tuple(arguments), {**inherited, **variables}, str(scratch))

    @contextmanager
    def observe(self, command: Command, launch: Launch) -> Iterator[EndCheck]:
        def check(status: int, message: str) -> None:
            if status == _FAILED and "FATAL:" in message:
                reason = message[message.rindex("FATAL:") :].splitlines()[0]
                raise EnvironmentFailed(f"apptainer could not start {command.argv[0]!r}: {reason}")

        yield check

    def limits_kept(self) -> LimitsKept:
        """Return that root alone can limit memory and processor time everywhere."""
        is_root = os.getuid() == 0
        reason = (
            "" if is_root else "apptainer limits memory and processor time only for root, unless systemd delegates it"
        )
        return LimitsKept(is_root, is_root, reason=reason)

    def passed_variables(self) -> dict[str, str]:
        """Return none: containers see no variable of this process."""
        return {}

    def clear(self, run: str) -> int:
        """Return 0: containers end with their caller."""
        return 0


def _source_of(home: str, mounts: list[Mount], scratch: Path) -> str:
    """Return the folder of the host that is HOME in the container: in a mount, or one of the call."""
    for mount in mounts:
        if PurePosixPath(home).is_relative_to(mount.target):
            return str(Path(mount.source) / PurePosixPath(home).relative_to(mount.target))
    return str(scratch / "home")
