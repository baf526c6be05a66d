"""Contract suite for environments; subclass `EnvironmentContract` to test one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voxome.contracts.environment import Command, Environment, Mount
from voxome.environments.call import call
from voxome.errors import InvalidInput, NotFound, TimeLimit

TIMEOUT_S = 60.0
"""Time within which a command must start, or be gone."""
_CALLER = """
import json, sys
from pathlib import Path
from voxome.contracts.environment import Command
from voxome.environments import open_environment
from voxome.environments.call import call

call(open_environment(sys.argv[1]), Command.from_json(json.loads(sys.argv[2])))
"""


class EnvironmentContract(ABC):
    """Tests of an environment with commands of ``/bin/sh``, which need cat, mkdir and sleep.

    Attributes
    ----------
    has_own_root : bool
        Whether commands see nothing of this machine but their mounts.
    limit_s : float
        Time limit within which commands of the tests start.
    spec : str
        What `voxome.environments.open_environment` opens as this environment in another process.
    """

    has_own_root = True
    limit_s = 3.0
    spec = ""

    @abstractmethod
    def open_environment(self) -> Environment:
        """Return the environment under test."""

    @pytest.fixture
    def image(self) -> str | None:
        """Image for the commands, as it is named; None if the environment has no images."""
        return None

    @pytest.fixture
    def environment(self) -> Environment:
        """Environment under test."""
        return self.open_environment()

    @pytest.fixture
    def shell(self, environment: Environment, image: str | None, tmp_path: Path) -> Callable[..., Command]:
        """Return a function that returns a command of the shell, with a work folder ``work`` that it may write."""
        (tmp_path / "work").mkdir()
        digest = None if image is None else environment.prepare(image)

        def command(script: str, *arguments: str, mounts: tuple[Mount, ...] = (), **values: Any) -> Command:
            work = str(tmp_path / "work")
            argv = ("/bin/sh", "-c", script, "sh", *arguments)
            return Command(argv, work, (Mount(work, work, True), *mounts), image=digest, **values)

        return command

    @pytest.fixture
    def output(self, environment: Environment, tmp_path: Path) -> Callable[[Command], str]:
        """Return a function that runs a command, which must succeed, and returns what it prints."""

        def run(command: Command) -> str:
            file, errors = tmp_path / "stdout", tmp_path / "stderr"
            with file.open("wb") as stdout, errors.open("wb") as stderr:
                status = call(environment, command, stdout=stdout, stderr=stderr, limit_s=TIMEOUT_S)
            assert status == 0, errors.read_text()
            return file.read_text()

        return run

    def test_it_is_an_environment(self, environment: Environment) -> None:
        assert isinstance(environment, Environment)
        assert environment.name

    def test_arguments_arrive_unchanged(self, shell: Callable[..., Command], output: Callable[[Command], str]) -> None:
        arguments = [
            "",
            " a  b ",
            "'\"\\",
            "$HOME `id` $(id)",
            "a\nb",
            "-x",
            "--",
            "{}*?[a]",
            "αβ 脳",
            "a,b=c:d;e|f&g>h",
        ]
        printed = output(shell('for one in "$@"; do printf "<%s>" "$one"; done', *arguments))
        assert printed == "".join(f"<{one}>" for one in arguments)

    def test_it_starts_in_its_work_folder(
        self, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        assert output(shell("pwd")) == f"{tmp_path}/work\n"

    def test_its_variables_are_those_of_the_command_and_none_of_the_host(
        self, shell: Callable[..., Command], output: Callable[[Command], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", "/host")
        monkeypatch.setenv("VOXOME_OF_THE_HOST", "host")
        variables = {
            "PLAIN": "a",
            "ODD": " $x 'y' \"z\"\nnext=line, # no comment\\ ",
            "EMPTY": "",
            "LD_LIBRARY_PATH": "/lib:/odd,path",
            "DOCKER_HOST": "tcp://nobody",
        }
        script = 'printf "<%s>" "$PLAIN" "$ODD" "${EMPTY-unset}" "$LD_LIBRARY_PATH" "$DOCKER_HOST"'
        script += ' "${PYTHONPATH-none}" "${VOXOME_OF_THE_HOST-none}"'
        expected = [*variables.values(), "none", "none"]
        assert output(shell(script, variables=variables)) == "".join(f"<{one}>" for one in expected)

    def test_home_and_temporary_folder_are_its_own(
        self, shell: Callable[..., Command], output: Callable[[Command], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", "/nowhere")
        script = 'set -e; echo x > "$HOME/file"; echo y > "$TMPDIR/file"; echo z > "$HOME/.cache" '
        script += (
            '; test -n "$USER"; echo "$HOME $TMPDIR $USER"; exec 2>/dev/null; test "$(echo "$HOME"/*)" = "$HOME/file"'
        )
        first, second = output(shell(script)), output(shell(script))
        home, temporary, user = first.split()
        assert home != temporary
        assert "/nowhere" not in home
        assert user == second.split()[2]
        if not self.has_own_root:
            assert not Path(home).exists()
            assert not Path(temporary).exists()

    def test_home_and_temporary_folder_can_be_given(
        self, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        given = {"HOME": f"{tmp_path}/work", "TMPDIR": f"{tmp_path}/work"}
        output(shell('echo x > "$HOME/a"; echo y > "$TMPDIR/b"', variables=given))
        assert {path.name for path in (tmp_path / "work").iterdir()} == {"a", "b"}

    def test_outputs_belong_to_the_caller(
        self, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        output(shell("set -e; echo voxels > file; mkdir -p deep/er; echo more > deep/er/file"))
        for path in (tmp_path / "work").rglob("*"):
            assert path.stat().st_uid == os.getuid(), path
            assert path.stat().st_mode & 0o400, path
        assert (tmp_path / "work" / "file").read_text() == "voxels\n"
        shutil.rmtree(tmp_path / "work")

    def test_an_input_with_any_name_is_read(
        self, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        for number, name in enumerate(["plain", "a b", "a,b", 'a"b', "a'b", "a:b", "a=b;c", "αβ", "#hash%20", "a\\b"]):
            path = tmp_path / name
            path.write_text(f"input {number}")
            assert output(shell('cat "$1"', str(path), mounts=(Mount(str(path), str(path)),))) == f"input {number}"

    def test_an_input_cannot_be_changed(
        self, environment: Environment, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        if not environment.limits_kept().files:
            pytest.skip("the environment does not keep it")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_text("input")
        (tmp_path / "single").write_text("input")
        mounts = (Mount(f"{tmp_path}/folder", "/in/folder"), Mount(f"{tmp_path}/single", "/in/single"))
        script = "exec 2>/dev/null; (echo x > /in/folder/new); (echo x > /in/folder/file); (echo x > /in/single)"
        script += "; cat /in/folder/* /in/single"
        assert output(shell(script, mounts=mounts)) == "inputinput"
        assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]

    def test_nothing_but_its_mounts_can_be_seen_or_written(
        self, environment: Environment, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        if not environment.limits_kept().files:
            pytest.skip("the environment does not keep it")
        (tmp_path / "secret").write_text("secret")
        script = "exec 2>/dev/null; test -e {0}/secret && echo seen"
        script += "; for at in / /etc /usr /bin; do (: > $at/voxome-probe) && echo $at; done; :"
        assert output(shell(script.format(tmp_path))) == ""

    def test_mounts_may_be_at_other_paths_and_inside_each_other(
        self, environment: Environment, shell: Callable[..., Command], output: Callable[[Command], str], tmp_path: Path
    ) -> None:
        if not self.has_own_root:
            pytest.skip("commands see the paths of the host")
        (tmp_path / "input").write_text("input")
        mounts = (Mount(f"{tmp_path}/input", "/data/in/file"), Mount(f"{tmp_path}/work", "/data", True))
        command = replace(shell("cat in/file > copy"), folder="/data", mounts=mounts)
        output(command)
        assert (tmp_path / "work" / "copy").read_text() == "input"

    def test_there_is_no_network_unless_the_command_needs_one(
        self, environment: Environment, shell: Callable[..., Command], output: Callable[[Command], str]
    ) -> None:
        if not environment.limits_kept().network:
            pytest.skip("the environment does not keep it")
        script = (
            'while read -r line; do set -- $line; case $1 in Inter*|face) ;; *) echo "$1";; esac; done < /proc/net/dev'
        )
        assert output(shell(script)).split() == ["lo:"]

    def test_streams_are_files(self, environment: Environment, shell: Callable[..., Command], tmp_path: Path) -> None:
        data = bytes(range(256)) * 1000
        (tmp_path / "in").write_bytes(data)
        with (
            (tmp_path / "in").open("rb") as stdin,
            (tmp_path / "out").open("wb") as stdout,
            (tmp_path / "err").open("wb") as stderr,
        ):
            assert call(environment, shell("cat; echo problem >&2"), stdin=stdin, stdout=stdout, stderr=stderr) == 0
        assert (tmp_path / "out").read_bytes() == data
        assert (tmp_path / "err").read_text() == "problem\n"

    def test_without_standard_input_it_reads_nothing(
        self, shell: Callable[..., Command], output: Callable[[Command], str]
    ) -> None:
        assert output(shell("cat; echo end")) == "end\n"

    @pytest.mark.parametrize("status", [0, 1, 7, 125, 126, 127, 255])
    def test_the_exit_status_comes_back(
        self, environment: Environment, shell: Callable[..., Command], status: int
    ) -> None:
        assert call(environment, shell(f"exit {status}")) == status

    def test_the_signal_that_ended_it_is_in_the_status(
        self, environment: Environment, shell: Callable[..., Command]
    ) -> None:
        assert call(environment, shell("/bin/sh -c 'kill -9 $$'; exit $?")) == 137
        assert call(environment, shell("exit 137", memory_bytes=1 << 26)) == 137

    def test_a_missing_program_is_named(self, environment: Environment, shell: Callable[..., Command]) -> None:
        with pytest.raises(InvalidInput, match="no-such-program"):
            call(environment, replace(shell(""), argv=("no-such-program", "--help")))

    def test_a_missing_input_is_named_and_not_created(
        self, environment: Environment, shell: Callable[..., Command], tmp_path: Path
    ) -> None:
        gone = tmp_path / "gone"
        with pytest.raises(NotFound, match="gone is not there"):
            call(environment, shell(": > started", mounts=(Mount(str(gone), str(gone)),)))
        assert not gone.exists()
        assert not (tmp_path / "work" / "started").exists()

    def test_its_time_limit_ends_all_of_its_processes(
        self, environment: Environment, shell: Callable[..., Command], tmp_path: Path
    ) -> None:
        started = time.monotonic()
        with pytest.raises(TimeLimit, match=f"time limit of {self.limit_s:g} s"):
            call(environment, shell(_GROWING), limit_s=self.limit_s)
        assert time.monotonic() - started < TIMEOUT_S
        assert (tmp_path / "work" / "child").exists(), "it did not start within the limit"
        require_ended(tmp_path / "work")

    def test_processes_in_the_background_end_with_it(
        self, environment: Environment, shell: Callable[..., Command], tmp_path: Path
    ) -> None:
        assert call(environment, shell(f"({_GROWING}) & while ! test -s child; do sleep 0.05; done")) == 0
        require_ended(tmp_path / "work")

    def test_it_ends_if_its_caller_is_killed(
        self, environment: Environment, shell: Callable[..., Command], tmp_path: Path
    ) -> None:
        command = json.dumps(shell(_GROWING).to_json())
        caller = subprocess.Popen([sys.executable, "-c", _CALLER, self.spec or environment.name, command])
        try:
            wait_until(lambda: (tmp_path / "work" / "child").exists())
        finally:
            caller.kill()
            caller.wait()
        wait_until(lambda: not grows(tmp_path / "work"))

    def test_calls_do_not_disturb_each_other(
        self, environment: Environment, shell: Callable[..., Command], tmp_path: Path
    ) -> None:
        statuses: dict[int, int] = {}

        def run(number: int) -> None:
            statuses[number] = call(
                environment, shell(f'echo {number} > "$HOME/x"; sleep 0.2; test "$(cat $HOME/x)" = {number}')
            )

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == dict.fromkeys(range(4), 0)

    def test_commands_survive_json(self, shell: Callable[..., Command]) -> None:
        command = shell("true", variables={"A": "b"}, memory_bytes=1, cpus=0.5, gpus=1, network=True, run="r")
        assert Command.from_json(command.to_json()) == command

    def test_nothing_is_left_of_a_run_that_has_ended(
        self, environment: Environment, shell: Callable[..., Command]
    ) -> None:
        call(environment, shell("exit 0", run="contract-run"))
        with pytest.raises(TimeLimit):
            call(environment, shell("sleep 600", run="contract-run"), limit_s=self.limit_s)
        assert environment.clear("contract-run") == 0


_GROWING = "(while :; do echo x >> child; sleep 0.05; done) & while :; do echo x >> parent; sleep 0.05; done"
"""Script of two processes that write until they are ended."""


def grows(folder: Path) -> bool:
    """Whether files of a folder grow."""
    before = {path: path.stat().st_size for path in folder.iterdir()}
    time.sleep(0.5)
    return before != {path: path.stat().st_size for path in folder.iterdir()}


def require_ended(folder: Path) -> None:
    """Check that no process writes to a folder."""
    assert not grows(folder), "a process of the command is still running"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {TIMEOUT_S:g} s"
        time.sleep(0.05)
