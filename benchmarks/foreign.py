"""A workflow of trivial commands through `voxome cwl-runner`, compared with `cwltool --parallel`.

Both are started as commands, in turns; the table has the wall and processor time of each call (of all processes), and
their ratio to those of cwltool.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEP = """  s{number}:
    in: {{text: text}}
    out: [out]
    run: {{class: CommandLineTool, baseCommand: [echo, "{number}"],
      inputs: {{text: {{type: string, inputBinding: {{}}}}}}, stdout: out.txt, outputs: {{out: stdout}}}}
"""


def write_workflow(path: Path, steps: int) -> None:
    """Write a workflow of so many steps, which do not depend on each other."""
    outputs = "\n".join(f"  o{number}: {{type: File, outputSource: s{number}/out}}" for number in range(steps))
    texts = "".join(STEP.format(number=number) for number in range(steps))
    head = "cwlVersion: v1.2\nclass: Workflow\ninputs: {text: string}\n"
    path.write_text(f"{head}outputs:\n{outputs}\nsteps:\n{texts}")


def measure(command: list[str], folder: Path, number: int) -> tuple[float, float]:
    """Return the wall and processor seconds of a call."""
    out = folder / f"out{number}-{Path(command[0]).name}"
    before, began = os.times(), time.monotonic()
    words = [*command, "--quiet", "--outdir", str(out), str(folder / "w.cwl"), str(folder / "job.json")]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return time.monotonic() - began, used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(Path(__file__).name, description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    scripts = Path(sys.executable).parent
    commands = {
        "cwltool --parallel": [str(scripts / "cwltool"), "--parallel", "--no-container"],
        "voxome cwl-runner": [str(scripts / "voxome"), "cwl-runner"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_workflow(folder / "w.cwl", options.steps)
        (folder / "job.json").write_text(json.dumps({"text": "a"}))
        times: dict[str, list[tuple[float, float]]] = {title: [] for title in commands}
        for number in range(options.repeats):
            for title, command in commands.items():
                times[title].append(measure(command, folder, number))
    peer = [min(one) for one in zip(*times["cwltool --parallel"], strict=True)]
    print(f"{options.steps} steps, the best of {options.repeats}\n| | wall s | CPU s | ratios |\n|---|---|---|---|")
    for title, one in times.items():
        wall, cpu = (min(values) for values in zip(*one, strict=True))
        print(f"| {title} | {wall:.1f} | {cpu:.1f} | {wall / peer[0]:.2f}, {cpu / peer[1]:.2f} |")


if __name__ == "__main__":
    main()
