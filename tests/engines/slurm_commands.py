"""Stand-ins of Slurm's commands: elements are processes of this machine; refusals and losses happen on demand.

``python slurm_commands.py STATE COMMAND ARGUMENTS``; `install` puts the commands on a path.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")


class Cluster:
    """The commands in a folder, and what they did.

    Attributes
    ----------
    state : path
        Folder with ``calls``, the queue under ``jobs``, and what is to go wrong.
    """

    def __init__(self, state: Path) -> None:
        self.state = state

    @classmethod
    def install(cls, folder: Path) -> Cluster:
        """Write the commands into `folder` / ``bin``."""
        cluster = cls(folder / "cluster")
        (cluster.state / "jobs").mkdir(parents=True)
        (folder / "bin").mkdir()
        for name in COMMANDS:
            path = folder / "bin" / name
            path.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {__file__} {cluster.state} {name} "$@"\n')
            path.chmod(0o755)
        return cluster

    def fail(self, command: str, *messages: str) -> None:
        """Let the next calls of a command fail, after they had their effect if the message starts with ``late:``."""
        (self.state / f"{command}.errors").write_text("".join(f"{message}\n" for message in messages))

    def set(self, name: str, text: str = "") -> None:
        """Set ``vanish`` (elements never start, nor are listed), ``hold`` (they wait), ``MaxArraySize``, ``ends`` ….

        ``nodes`` is what sinfo prints.
        """
        (self.state / name).write_text(text)

    def unset(self, name: str) -> None:
        """Unset what `set` has set."""
        (self.state / name).unlink()

    def calls(self, command: str) -> list[list[str]]:
        """Return the arguments of the calls of a command."""
        path = self.state / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call["arguments"] for call in map(json.loads, lines) if call["command"] == command]

    def environments(self) -> list[dict[str, str]]:
        """Return the environments of the calls of sbatch."""
        calls = map(json.loads, (self.state / "calls").read_text().splitlines())
        return [call["environment"] for call in calls if call["command"] == "sbatch"]

    def jobs(self) -> list[str]:
        """Return the elements in the queue, as ``ARRAY_INDEX``."""
        return sorted(path.name for path in (self.state / "jobs").iterdir() if self._is_queued(path))

    def perform(self, command: str, arguments: list[str]) -> int:
        """Perform a command."""
        call = {"command": command, "arguments": arguments, "environment": dict(os.environ)}
        with (self.state / "calls").open("a") as stream:
            stream.write(json.dumps(call) + "\n")
        errors = self.state / f"{command}.errors"
        message, *further = errors.read_text().splitlines() if errors.exists() else [""]
        if further:
            errors.write_text("".join(f"{one}\n" for one in further))
        else:
            errors.unlink(missing_ok=True)
        if not message or message.startswith("late:"):
            code = int(getattr(self, f"_{command}")(arguments) or 0)
            if not message:
                return code
        print(message.removeprefix("late:"), file=sys.stderr)
        return 1

    def _sbatch(self, arguments: list[str]) -> None:
        options = dict(one[2:].split("=", 1) for one in arguments if one.startswith("--") and "=" in one)
        last, _ = map(int, re.findall(r"\d+", options["array"])[1:])
        number = len(self.calls("sbatch"))
        for index in range(last + 1):
            pid = 0
            if (self.state / "vanish").exists():
                continue
            if not (self.state / "hold").exists():
                with (Path(options["chdir"]) / f"{index}.log").open("ab") as log:
                    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(index), "SLURM_JOB_ID": str(number)}
                    pid = subprocess.Popen(
                        ["sh", arguments[-1]],
                        cwd=options["chdir"],
                        env=environment,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                    ).pid
            (self.state / "jobs" / f"{number}_{index}").write_text(f"{pid} {options['job-name']}")
        print(number)

    def _squeue(self, arguments: list[str]) -> None:
        names = next(one for one in arguments if one.startswith("--name=")).removeprefix("--name=").split(",")
        for element in self.jobs():
            name = (self.state / "jobs" / element).read_text().split()[1]
            number, _, index = element.partition("_")
            if name in names:
                print(f"{number}|{index}|{name}|None")

    def _scancel(self, arguments: list[str]) -> None:
        for element in arguments[1:]:
            path = self.state / "jobs" / element
            if path.exists():
                pid = int(path.read_text().split()[0])
                path.unlink()
                if pid and _is_alive(pid):
                    os.killpg(pid, signal.SIGKILL)

    def _scontrol(self, arguments: list[str]) -> int:
        size = self.state / "MaxArraySize"
        if arguments == ["show", "config"]:
            print(f"MaxArraySize            = {size.read_text() if size.exists() else 1001}\nMaxJobCount = 10000")
        ends = self.state / "ends"
        if "job" in arguments and ends.exists():
            for index, end in enumerate(ends.read_text().split()):
                print(f"ArrayJobId={arguments[-1]} ArrayTaskId={index} JobState={end} ExitCode=0:0 ")
        return int("job" in arguments and not ends.exists())

    def _sinfo(self, arguments: list[str]) -> None:
        nodes = self.state / "nodes"
        print(nodes.read_text() if nodes.exists() else "")

    def _is_queued(self, path: Path) -> bool:
        pid = int(path.read_text().split()[0])
        return pid == 0 or _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    sys.exit(Cluster(Path(sys.argv[1])).perform(sys.argv[2], sys.argv[3:]))
