"""A Slurm cluster of one node: munged, slurmctld and slurmd, private to the tests."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from peers.process import free_port, running, succeeds
from peers.requirement import program, unavailable

_CONFIG = """
ClusterName=voxome
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CryptoType=crypto/munge
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
PropagateResourceLimits=NONE
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


@dataclass(frozen=True)
class Slurm:
    """A running cluster.

    Attributes
    ----------
    config : path
        Its configuration, for ``SLURM_CONF``.
    pids : tuple of int
        Processes of its servers.
    """

    config: Path
    pids: tuple[int, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which the commands of Slurm find the cluster."""
        return {**os.environ, "SLURM_CONF": str(self.config)}

    def run(self, *command: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )


@contextmanager
def slurm() -> Iterator[Slurm]:
    """Run a cluster in a folder of its own; slurmd needs root."""
    if os.getuid() != 0:
        unavailable("slurmd runs as root only")
    munged = program("munged", package="munge")
    controller, daemon = (program(name, package="slurm-wlm") for name in ("slurmctld", "slurmd"))
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        for part in ("state", "spool"):
            (folder / part).mkdir()
        key, socket_path, config = folder / "munge.key", folder / "munge.sock", folder / "slurm.conf"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        ports = {"controller": free_port(), "daemon": free_port()}
        config.write_text(
            _CONFIG.format(host=socket.gethostname(), folder=folder, cpus=os.cpu_count(), **ports), encoding="ascii"
        )
        environment = {**os.environ, "SLURM_CONF": str(config)}
        start = partial(running, environment=environment)
        files = [f"--{option}={folder / f'munged.{option}'}" for option in ("pid-file", "log-file", "seed-file")]
        authentication = [munged, "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}", *files]
        processes = [
            start(authentication, log=folder / "munged.out", ready=socket_path.exists),
            start(
                [controller, "-D", "-f", str(config), "-c"],
                log=folder / "slurmctld.out",
                ready=partial(succeeds, "scontrol", "ping", environment=environment),
            ),
            start(
                [daemon, "-D", "-f", str(config)],
                log=folder / "slurmd.out",
                ready=partial(succeeds, "srun", "--immediate=2", "true", environment=environment),
            ),
        ]
        yield Slurm(config, tuple(servers.enter_context(process).pid for process in processes))
