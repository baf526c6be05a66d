"""Fuzz targets in processes of their own: ``python -m fuzz.run [--inputs N] [--seed S] [TARGET …]`` from ``tests/``.

Every input is made of the name of its target, the seed and its number, so that a fault can be repeated with
``--only NUMBER``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.targets import TARGETS

HANG_S = 10.0
"""CPU time after which an input counts as one that never ends."""
_BLOCKED_S = 120.0
"""Time after which it does without any, on a busy machine; a process may take as long to start."""
_FOLDERS = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where the files of inputs are: in memory, as a disk may write each of them first."""


@dataclass
class Report:
    """What inputs did: faults as number, error and place."""

    faults: list[tuple[int, str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = Counter((text.partition(":")[0], where) for _, text, where in self.faults)
        first = {(text.partition(":")[0], where): (number, text) for number, text, where in reversed(self.faults)}
        return "\n".join(
            f"  {count} x {where}: {first[error, where][1]} (input {first[error, where][0]})"
            for (error, where), count in kinds.most_common()
        )


def run(name: str, inputs: range, seed: int = 0) -> Report:
    """Feed inputs to a target; one that ends the process or hangs is a fault, and the others go on without it."""
    report, start = Report(), inputs.start
    while start < inputs.stop:
        with TemporaryDirectory(dir=_FOLDERS) as folder:
            start = _run_child(name, seed, range(start, inputs.stop), Path(folder), report)
    return report


def _run_child(name: str, seed: int, inputs: range, folder: Path, report: Report) -> int:
    """Return the first number that is still to be run."""
    at = folder / "at"
    at.write_bytes(bytes(8))
    (folder / "faults").touch()
    with (folder / "errors").open("w+") as errors:
        numbers = [str(seed), str(inputs.start), str(inputs.stop)]
        command = [sys.executable, "-m", "fuzz.child", name, *numbers, str(folder)]
        here = str(Path(__file__).parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]),
            "MALLOC_ARENA_MAX": "1",  # another one for a thread reserves 64 MiB of addresses, of which few are limited
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(folder),
        }
        process = subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        reason = _wait(process, at)
        report.faults += [tuple(json.loads(line)) for line in (folder / "faults").read_text().splitlines()]
        number = int.from_bytes(at.read_bytes(), "little")
        if reason is None and process.returncode == 0 and (folder / "done").exists():
            return inputs.stop
        errors.seek(0)
        if number == 0 and reason is None and process.returncode > 0:
            raise RuntimeError(f"{name} cannot be fuzzed: {errors.read()[-2000:]}")
        ended = reason or f"the process ended with status {process.returncode}: {errors.read()[-200:].strip()}"
        report.faults.append((number, ended, "the process"))
        return number + 1


def _wait(process: subprocess.Popen[bytes], at: Path) -> str | None:
    """Wait for a process; return why it was killed, None if it has ended by itself."""
    last, since, cpu_s = bytes(8), time.monotonic(), 0.0
    while True:
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            now = at.read_bytes()
            if now != last:
                last, since, cpu_s = now, time.monotonic(), _cpu_s(process.pid)
                continue
            blocked = time.monotonic() - since > _BLOCKED_S
            if blocked or (any(now) and _cpu_s(process.pid) - cpu_s > HANG_S):
                process.kill()
                process.wait()
                return f"no end within {_BLOCKED_S:.0f} s" if blocked else f"no end within {HANG_S:.0f} s of CPU time"
        else:
            return None


def _cpu_s(process: int) -> float:
    """Return the CPU time of a process; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--inputs", type=int, default=100_000, help="number of inputs of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of one input")
    given = parser.parse_args()
    inputs = range(given.inputs) if given.only is None else range(given.only, given.only + 1)
    found = 0
    for name in given.targets or TARGETS:
        began = time.monotonic()
        report = run(name, inputs, given.seed)
        found += len(report.faults)
        wall_s = time.monotonic() - began
        print(f"{name}: {len(inputs):,} inputs, {len(report.faults):,} faults, {wall_s:.0f} s", flush=True)
        if report.faults:
            print(report, flush=True)
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
