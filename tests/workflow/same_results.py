"""The EM pipeline, all of its steps, on each engine and CWL runner of this machine: are tables and graph the same?

``PYTHONPATH=tests python -m workflow.same_results [--shape 64,64,64] [--only NAME …]`` runs it on a phantom and prints
for each what differs from the run on the engine ``local``, byte by byte, and the seconds that it took. The exit status
is 1 if anything differs or fails. Tables have the key of their step in their metadata; other CWL runners make one step
a run, whose inputs are handles, so it is left out there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from peers.process import free_port, listens, running
from peers.requirement import unavailable

import voxome
from voxome.geometry.notation import comma_text, parse_shape

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONNECTOME = ROOT / "pipelines" / "em" / "connectome.cwl"
TABLES = ("synapses.parquet", "connectome.parquet", "neurons.parquet", "sections.parquet")
ARRAYS = ("affinities.zarr", "membranes.zarr", "neurons.zarr")
KEY = b"voxome_step_key"


@dataclass(frozen=True)
class Case:
    """A phantom, the block shape, and an empty folder for one run."""

    phantom: Path
    block: str
    folder: Path

    @property
    def inputs(self) -> dict[str, str]:
        """Inputs of the pipeline."""
        return {name: str(self.phantom / f"{name}.zarr") for name in ("raw", "membranes")}

    def voxome(self, *options: str, verb: str = "run", **environment: str) -> Path:
        """Run the pipeline by a command of voxome, and return the run folder."""
        out = self.folder / "out"
        inputs = [f"--set={name}={uri}" for name, uri in self.inputs.items()]
        common = [f"--out={out}", f"--block={self.block}", "--workers=2"]
        command = [sys.executable, "-m", "voxome.cli.main", verb, str(CONNECTOME), *inputs, *common, *options]
        self.call(command, **environment)
        return out

    def runner(self, *command: str | Path, **environment: str) -> Path:
        """Run the pipeline by another CWL runner, and return the folder of its outputs."""
        out, job = self.folder / "out", self.folder / "job.json"
        values = {**self.inputs, "store": str(self.folder / "store"), "block": self.block, "workers": 1}
        job.write_text(json.dumps(values), encoding="utf-8")
        path = f"{Path(command[0]).parent}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"
        self.call([*map(str, command), f"--outdir={out}", str(CONNECTOME), str(job)], PATH=path, **environment)
        return out

    def call(self, command: list[str], **environment: str) -> None:
        """Run a command, with its messages in the file ``log``."""
        with (self.folder / "log").open("wb") as log:
            subprocess.run(
                command, env={**os.environ, **environment}, cwd=self.folder, stdout=log, stderr=log, check=True
            )


def local(case: Case) -> Path:
    return case.voxome()


def dask(case: Case) -> Path:
    return case.voxome("--engine=dask?cores=1")


def dask_slurm(case: Case) -> Path:
    from peers.slurm import slurm

    engine = "dask?cluster=slurm&cores=2&memory=800MB&interface=lo&walltime=02:00:00"
    with slurm() as cluster:
        return case.voxome(f"--engine={engine}", SLURM_CONF=str(cluster.config))


def slurm_arrays(case: Case) -> Path:
    from peers.slurm import slurm

    with slurm() as cluster:
        return case.voxome("--engine=slurm?partition=main&poll=1&group=4", SLURM_CONF=str(cluster.config))


def podman_s3(case: Case) -> Path:
    """Jobs in a container that has no run folder, another HOME and TMPDIR, and results on S3."""
    from peers import s3
    from peers.podman import podman
    from peers.python_root import python_root

    packages, log = Path(np.__file__).resolve().parents[1], case.folder / "worker"
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    with s3.serving() as url, podman() as tool:
        image = tool("import", "-", "localhost/python:latest", stdin=python_root()).split()[-1]
        port = free_port()
        address = f"tcp://127.0.0.1:{port}"
        scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", f"--port={port}"]
        mounts = [f"--volume={one}:{one}:ro" for one in (ROOT, packages, case.phantom)]
        settings = {"HOME": "/home", "TMPDIR": "/scratch", "PYTHONPATH": f"{ROOT}/src:{packages}"}
        settings |= {name: os.environ[name] for name in names if name in os.environ}
        worker = [
            tool.command, "run", "--rm", "--network=host", "--tmpfs=/scratch", "--tmpfs=/home", *mounts,
            *(f"--env={name}={value}" for name, value in settings.items()), image,
            "/usr/local/bin/python3", "-m", "distributed.cli.dask_worker", address, "--nthreads=2", "--no-dashboard",
            "--local-directory=/scratch",
        ]  # fmt: skip
        store = s3.Bucket(url).uri("run")
        with (
            running([*scheduler, "--no-dashboard"], log=case.folder / "scheduler", ready=lambda: listens(port)),
            running(worker, log=log, ready=lambda: b"Registered to" in log.read_bytes(), environment=tool.environment),
        ):
            out = case.voxome(f"--engine=dask?cluster={address}", f"--store={store}")
        s3.Bucket(url).download("run", out)
        return out


def airflow(case: Case) -> Path:
    from peers.airflow import PROGRAM
    from peers.airflow import airflow as serving

    if not PROGRAM.exists():
        unavailable("Airflow is not installed; run `make .venv/airflow/ready`")
    with serving(case.folder / "airflow") as (url, dags):
        return case.voxome(f"--dags={dags}", f"--airflow={url}", verb="schedule")


def cwltool(case: Case) -> Path:
    return case.runner(BIN / "cwltool")


def toil(case: Case) -> Path:
    program = ROOT / ".venv" / "toil" / "bin" / "toil-cwl-runner"
    if not program.exists():
        unavailable("Toil is not installed; run `make .venv/toil/ready`")
    (case.folder / "work").mkdir()
    limits = ("--maxLocalJobs=2", "--defaultMemory=1G", "--defaultDisk=1G", "--defaultCores=1")
    return case.runner(program, f"--jobStore={case.folder}/jobs", f"--workDir={case.folder}/work", *limits)


CASES: dict[str, Callable[[Case], Path]] = {
    "local": local,
    "dask": dask,
    "dask-slurm": dask_slurm,
    "slurm": slurm_arrays,
    "podman-s3": podman_s3,
    "airflow": airflow,
    "cwltool": cwltool,
    "toil": toil,
}
HANDLES = ("cwltool", "toil")
"""Cases whose steps are runs of their own, so that their tables have other keys."""


def differences(reference: Path, out: Path, *, keys: bool) -> Iterator[str]:
    """Yield the results of a run that are not those of another; `keys` says whether keys of steps count."""
    graphs = [(folder / "connectome.graphml").read_bytes() for folder in (reference, out)]
    if graphs[0] != graphs[1]:
        yield "connectome.graphml"
    for name in TABLES:
        one, other = reference / name, out / name
        if not (one.read_bytes() == other.read_bytes() if keys else _without_key(one) == _without_key(other)):
            yield name
    for name in ARRAYS:
        one, other = (voxome.open(folder / name, expect=voxome.Volume)[...] for folder in (reference, out))
        if not np.array_equal(one, other):
            yield name
    if not (out / "report.html").exists():
        yield "report.html"


def _without_key(path: Path) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the encoded columns of a table, and its metadata without the key of its step."""
    data, schema = path.read_bytes(), pq.read_schema(path)  # type: ignore[no-untyped-call]
    footer = int.from_bytes(data[-8:-4], "little")
    return data[: -8 - footer], {name: value for name, value in schema.metadata.items() if name != KEY}


@contextmanager
def work_folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="64,64,64", help="of the phantom, in voxels, Z,Y,X")
    parser.add_argument("--block", default="64,32,64", help="block shape")
    parser.add_argument("--only", nargs="*", choices=[*CASES], default=[*CASES])
    parser.add_argument("--out", type=Path, help="folder that stays, with the results and logs")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers end, too
    with work_folder(given.out) as folder:
        phantom = folder / "phantom"
        if not phantom.exists():
            shape = comma_text(parse_shape(given.shape))
            command = [sys.executable, "-m", "voxome.cli.main", "phantom", str(phantom), "--shape", shape, "--seed=1"]
            subprocess.run(command, check=True, capture_output=True)
        failed = [name for name in dict.fromkeys(["local", *given.only]) if not _compare(name, folder, given.block)]
    return 1 if failed else 0


def _compare(name: str, folder: Path, block: str) -> bool:
    """Run a case, unless that was done, print its row, and return whether its results are those of ``local``."""
    case = Case(folder / "phantom", block, folder / name)
    began, load = time.monotonic(), os.getloadavg()[0]
    out, done = case.folder / "out", case.folder / "done"
    if not done.exists():
        shutil.rmtree(case.folder, ignore_errors=True)
        case.folder.mkdir()
        try:
            out = CASES[name](case)
            done.touch()
        except pytest.skip.Exception as error:
            print(f"{name:12} left out: {error}", flush=True)
            return True
        except subprocess.CalledProcessError as error:
            print(f"{name:12} failed: status {error.returncode}; see {case.folder / 'log'}", flush=True)
            return False
    found = list(differences(folder / "local" / "out", out, keys=name not in HANDLES))
    equal = f"differs: {', '.join(found)}" if found else "equal"
    print(f"{name:12} {equal:40} {time.monotonic() - began:8.0f} s, load {load:.0f}", flush=True)
    return not found


if __name__ == "__main__":
    sys.exit(main())
