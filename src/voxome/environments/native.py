"""Programs of this machine, which see it as it is."""

from __future__ import annotations

import getpass
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from voxome.contracts.environment import Command, EndCheck, Launch, LimitsKept
from voxome.environments.cards import VARIABLE, visible_cards
from voxome.errors import InvalidInput


class NativeEnvironment:
    """Runs programs of this machine.

    Parameters
    ----------
    variables : str
        Names of variables of this process that commands see, separated by commas, such as ``LD_LIBRARY_PATH``.
    """

    name = "native"

    def __init__(self, variables: str = "") -> None:
        self._passed = [name for name in variables.split(",") if name]

    def prepare(self, image: str, *, may_pull: bool = False) -> str:
        """Refuse images."""
        raise InvalidInput(
            f"The environment native runs programs of this machine and has no images, such as {image!r}; use the "
            "environment podman, docker or apptainer"
        )

    def launch(self, command: Command, scratch: Path) -> Launch:
        if command.image is not None:
            self.prepare(command.image)
        for mount in command.mounts:
            if mount.source != mount.target:
                raise InvalidInput(
                    f"The environment native cannot show {mount.source} as {mount.target}; expected the same path"
                )
        user = _user_name()
        variables = {
            **self.passed_variables(),
            "HOME": str(scratch / "home"),
            "TMPDIR": str(scratch / "tmp"),
            "USER": user,
            "LOGNAME": user,
            "PATH": os.environ.get("PATH", os.defpath),
            **({VARIABLE: ",".join(visible_cards(command.gpus))} if command.gpus else {}),
            **command.variables,
        }
        program = _find_program(command.argv[0], command.folder, variables["PATH"])
        return Launch((program, *command.argv[1:]), variables, command.folder)

    def observe(self, command: Command, launch: Launch) -> AbstractContextManager[EndCheck]:
        """Accept every status: nothing stands between the command and its caller."""
        return nullcontext(lambda status, message: None)

    def limits_kept(self) -> LimitsKept:
        return LimitsKept(
            False, False, False, False, "programs run natively, as this user; use containers to limit them"
        )

    def passed_variables(self) -> dict[str, str]:
        return {name: os.environ[name] for name in self._passed if name in os.environ}

    def clear(self, run: str) -> int:
        """Return 0: programs end with their caller."""
        return 0


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _find_program(name: str, folder: str, path: str) -> str:
    found = shutil.which(str(Path(folder, name)) if "/" in name else name, path=path)
    if found is None:
        raise InvalidInput(
            f"The program {name!r} was not found on this machine, or cannot be executed; expected it "
            f"{f'in {folder}' if '/' in name else f'in a folder of PATH, {path}'}; install it, or use containers"
        )
    return found
