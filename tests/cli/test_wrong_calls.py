"""Wrong calls of every verb: one message in plain English, an exit status as documented, nothing of Python's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.threshold_workflow import WORKFLOW

import voxome
from voxome.registry import load
from voxome.workflow.describe import document

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
OF_PYTHON = re.compile(
    r"Traceback|internal error|Errno|Input should|Value error|valid integer|Error\(|<class|NoneType|invalid literal"
)
CALLS = """
2 info
1 info text.txt
1 info f.npy
1 info f.h5/x
1 info zarr://
1 info zarr://raw.zarr?level=x
1 info raw.zarr?level=7
2 info raw.zarr --jsn
1 info s3://
1 info dataset:nope
1 ls nowhere
1 ls foo://x
2 get raw.zarr
1 get raw.zarr out.xyz
1 get raw.zarr out.npy --box 0:99,0:1,0:1
1 get raw.zarr out.npy --box 5:2,0:1,0:1
1 get raw.zarr out.npy --box 0:1
2 get raw.zarr out.npy --box a:b,c:d,e:f
1 get raw.zarr out.npy --level 4
2 get raw.zarr out.npy --level -1
2 get raw.zarr out.npy --level x
1 get raw.zarr out.png
1 get raw.zarr text.txt/out.npy
1 put none.npy zarr://x
1 put raw.zarr x
1 put raw.zarr zarr://raw.zarr
1 put raw.zarr zarr://y.zarr --dtype foo
2 put raw.zarr zarr://y.zarr --chunk 0,1,1
1 put raw.zarr zarr://y.zarr --chunk 1
2 put raw.zarr zarr://y.zarr --kind imag
1 put raw.zarr zarr://raw.zarr --at 5,5,5
2 put raw.zarr zarr://raw.zarr --at a
1 put raw.zarr zarr://raw.zarr --at 1,1
1 put text.txt zarr://y
2 transfer raw.zarr
1 transfer raw.zarr b
1 transfer raw.zarr zarr://raw.zarr
2 transfer raw.zarr zarr://b.zarr --verify maybe
2 transfer raw.zarr zarr://b.zarr --drop foo
1 transfer raw.zarr zarr://b.zarr --codec nope
2 transfer raw.zarr zarr://b.zarr --encoding x
1 transfer raw.zarr zarr://b.zarr --encoding foo=bar
2 transfer raw.zarr zarr://b.zarr --levels 0
1 transfer raw.zarr zarr://b.zarr --engine foo
1 transfer raw.zarr zarr://b.zarr --records foo
1 transfer raw.zarr zarr://b.zarr --dtype int8x
2 transfer raw.zarr zarr://b.zarr --chunk 5,5
1 transfer raw.zarr zarr://b.zarr --state text.txt
1 rm nowhere
1 rm text.txt
1 datasets nope
2 datasets --fetch
1 datasets kasthuri2015/em --fetch
2 profiles extra
2 plan
1 plan none.cwl
1 plan text.txt
1 plan bad.cwl
1 plan empty.cwl
1 plan tool.cwl
1 plan mark.cwl
1 plan mark.cwl none.yml
1 plan mark.cwl text.txt
2 plan mark.cwl --set raw
2 plan mark.cwl --set raw=a --set raw=b
1 plan mark.cwl --set rwa=raw.zarr
1 plan mark.cwl --set raw=text.txt
2 plan mark.cwl --set raw=raw.zarr --block 1
1 plan mark.cwl --set raw=raw.zarr --block foo=8,8,8
2 plan mark.cwl --set raw=raw.zarr --voxel-size 8
1 plan mark.cwl --set raw=raw.zarr --box 0:5,0:5
1 plan mark.cwl --set raw=raw.zarr --level 3
1 plan mark.cwl --set raw=raw.zarr --set at=high
2 run mark.cwl --set raw=raw.zarr
1 run mark.cwl --set raw=raw.zarr --out text.txt
1 run mark.cwl --set raw=raw.zarr --out s3://x/y
1 run mark.cwl --set raw=raw.zarr --out o --store text.txt
1 run mark.cwl --set raw=raw.zarr --out o --engine foo
1 run mark.cwl --set raw=raw.zarr --out o --engine foo=local
2 run mark.cwl --set raw=raw.zarr --out o --workers many
1 run mark.cwl --set raw=raw.zarr --out o --truth none
2 tool foo
2 tool common.threshold
1 tool common.threshold --image none.handle.json --out o
2 tool common.threshold --image raw.zarr --out o --at x
2 tool common.threshold --image raw.zarr --out o --into foo
1 tool common.threshold --image raw.zarr --out o --into foo=raw.zarr
1 tool common.threshold --image raw.zarr --out text.txt
2 tool common.threshold --image raw.zarr --out o extra
2 score foo
2 score segmentation
1 score segmentation --truth raw.zarr --result raw.zarr
1 score detections --truth text.txt --result text.txt
2 score detections --truth a --result b --tolerance-nm -5
1 score cells --truth text.txt --result text.txt
1 score cells --truth text.txt --result text.txt --border ignore
2 score cells --truth a --result b --border some
2 score mask --truth raw.zarr
2 score mask --truth raw.zarr --result raw.zarr --threshold x
1 score mask --truth raw.zarr --result raw.zarr --beta 0
2 score vessels --truth raw.zarr --result raw.zarr
1 score vessels --truth raw.zarr --result raw.zarr --truth-lines text.txt --result-lines text.txt
1 score instances --truth raw.zarr --result raw.zarr
2 score instances --truth raw.zarr --result raw.zarr --iou 1.1
2 phantom d --shape 8
2 phantom d --seed x
1 phantom d --modality ct
1 phantom d --density sparse
1 phantom text.txt --shape 32,32,32
1 train raw.zarr raw.zarr
2 train cells config.toml --out tr --minutes x
2 train cells config.toml --out tr --other x
2 bench read
1 bench read none
2 bench read raw.zarr --sizes 4,x
1 bench read raw.zarr --sizes 400
2 bench read raw.zarr --concurrency 0
1 clean nowhere
1 clean text.txt
2 doctor x
1 regions raw.zarr --out r.parquet
1 regions text.txt --out r.parquet
2 regions raw.zarr
2 --log-level loud ls
""".strip().splitlines()


@pytest.fixture
def call(command: Command, tmp_path: Path) -> Command:
    """Run a command in a folder with a volume, workflows, and files that are none."""
    voxome.create("zarr://raw.zarr", voxome.VolumeSpec.of((20, 16, 12), "uint8", voxel_size_nm=(10, 8, 8)))[...] = 1
    texts = {"text.txt": "hello", "bad.cwl": "a: [", "empty.cwl": "", "f.npy": "xx", "f.h5": "xx", "mark.cwl": WORKFLOW}
    texts["tool.cwl"] = document(load("voxome.tools", "common.threshold").spec)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return command


@pytest.mark.parametrize("line", CALLS)
def test_a_wrong_call_is_explained(call: Command, line: str) -> None:
    status, *arguments = line.split()
    result = call(*arguments)
    assert result.status == int(status), result.err
    assert not OF_PYTHON.search(result.err), result.err
    assert result.out == ""
    message = result.err.strip().splitlines()[-1]
    assert len(message) > 10
    if status == "2":
        assert message.startswith("Error: ")
        assert "-h' for help" in result.err
