"""Commands that write, the inputs that they need, and what they leave."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import tifffile
from cli.threshold_workflow import WORKFLOW

import voxome
from voxome.errors import InvalidInput
from voxome.registry import load
from voxome.resources.unfinished import require_finished
from voxome.workflow.describe import document

_COPY = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [cp]
inputs: {file: {type: File, inputBinding: {position: 1}}}
arguments: [{position: 2, valueFrom: copied.npy}]
outputs: {copied: {type: File, outputBinding: {glob: copied.npy}}}
"""
_TRAINING = """
name = "noise"
classes = {a = 1, b = 2}
sigmas_um = [0.016]
trees = 10
labels_per_class = 1000
[[data]]
raw = "zarr://IN/raw.zarr"
labels = "zarr://IN/marks.zarr"
box = ":,:,0:32"
[[validation]]
raw = "zarr://IN/raw.zarr"
labels = "zarr://IN/marks.zarr"
box = ":,:,60:128"
"""
_RELAY = """
[sources.raw]
uri = "zarr://IN/raw.zarr"
[sources.marked]
tool = "common.threshold"
source = "raw"
parameters = {at = 100}
"""
Read = Callable[[Path], str]
"""Returns the digest of a result at a path; raises VoxomeError or FileNotFoundError where there is none."""


class Verb(NamedTuple):
    """A command.

    Attributes
    ----------
    words : str
        Its words; ``IN`` is the folder of inputs, ``DISK`` the disk.
    result : str
        Path of its result on the disk.
    read : function of a path
        Reads the result.
    before : mapping of str to str
        What is on the disk before: name there → input.
    """

    words: str
    result: str
    read: Read
    before: Mapping[str, str] = {}


def write_inputs(folder: Path) -> None:
    """Write the inputs of all commands: some megabytes that cannot be compressed, and labels of 192 objects."""
    random = np.random.default_rng(18)
    shape, size = (32, 128, 128), (40, 8, 8)
    image = random.integers(0, 255, shape, np.uint8)
    voxome.create(
        f"zarr://{folder}/raw.zarr", voxome.VolumeSpec.of(shape, "uint8", chunk=(16, 64, 64), voxel_size_nm=size)
    )[...] = image
    np.save(folder / "raw.npy", image)
    small = (16, 72, 72)
    cells = np.indices(small) // np.array([16, 12, 12]).reshape(3, 1, 1, 1)
    labels = (1 + cells[0] * 121 + cells[1] * 11 + cells[2]).astype(np.uint64)
    labels[random.random(small) < 0.02] = 0
    spec = voxome.VolumeSpec.of(small, "uint64", chunk=(16, 32, 32), voxel_size_nm=size, kind="labels")
    voxome.create(f"zarr://{folder}/labels.zarr", spec)[...] = labels
    with (folder / "points.csv").open("w") as file:
        print("id,z,y,x,score", file=file)
        for number, (z, y, x) in enumerate(random.integers(0, 2000, (20_000, 3)).tolist(), 1):
            print(f"{number},{z},{y},{x},{number / 7:.4f}", file=file)
    (folder / "mark.cwl").write_text(WORKFLOW)
    (folder / "tool.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
    (folder / "dags").mkdir()
    (folder / "relay.toml").write_text(_RELAY.replace("IN", str(folder)))
    (folder / "copy.cwl").write_text(_COPY)
    (folder / "train.toml").write_text(_TRAINING.replace("IN", str(folder)))
    np.save(folder / "old.npy", image[:16])
    voxome.put(image[:16], f"zarr://{folder}/old.zarr")
    with voxome.proofread(f"zarr://{folder}/labels.zarr", store=str(folder / "edits.sqlite"), author="ann") as session:
        session.merge([1, 2])
    marks = np.zeros(shape, np.uint8)
    marks[:16, ::2], marks[16:, ::2] = 1, 2
    voxome.create(
        f"zarr://{folder}/marks.zarr", voxome.VolumeSpec.of(shape, "uint8", voxel_size_nm=size, kind="labels")
    )[...] = marks


def _volume(path: Path) -> str:
    found = voxome.open(str(path), expect=voxome.Volume)
    levels = [voxome.open(str(path), level=one, expect=voxome.Volume) for one in range(max(1, len(found.levels)))]
    for one in levels:
        require_finished(one.uri)
    return _digest(*(np.ascontiguousarray(one[...]).tobytes() for one in levels))


def _pyramid(path: Path) -> str:
    """Return the digest of the finest level, and of the others once they are finished."""
    found = voxome.open(str(path), expect=voxome.Volume)
    try:
        return _volume(path)
    except InvalidInput:
        return _digest(found[...].tobytes())


def _result(path: Path) -> str:
    for one in path.glob("*/result.zarr"):
        return _volume(one)
    raise FileNotFoundError(path)


def _file(path: Path) -> str:
    return _digest(path.read_bytes())


def _tiff(path: Path) -> str:
    return _digest(tifffile.imread(path).tobytes())


def _table(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(path)
    return _digest(repr(pq.read_table(path).to_pydict()).encode())


def _folder(path: Path) -> str:
    """Return the digest of all files, without the records of how they were made."""
    if not (path / "info").exists():
        raise FileNotFoundError(path)
    parts = []
    for file in sorted(path.rglob("*")):
        if file.is_file() and ".voxome" not in file.parts and file.name != "provenance":
            data = file.read_bytes()
            if file.name == "info":
                data = json.dumps({key: one for key, one in json.loads(data).items() if "voxome" not in key}).encode()
            parts += [str(file.relative_to(path)).encode(), data]
    return _digest(*parts)


def _sections(path: Path) -> str:
    return _volume(path)


def _dag(path: Path) -> str:
    files = sorted(path.glob("*.py"))
    if not files:
        raise FileNotFoundError(path)
    return str(len(files))


def _tokens(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with sqlite3.connect(path) as connection:
            users = connection.execute("select user from token").fetchall()
    except sqlite3.OperationalError as error:  # it needs some room even to read
        raise FileNotFoundError(path) from error
    if not users:
        raise FileNotFoundError(path)
    return repr(users)


def _history(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(path)
    with voxome.proofread(f"proofread://{path}", author="ann") as session:
        return repr(session.history())


def _model(path: Path) -> str:
    from voxome.models.pixels.classifier import load_classifier

    if not (card := path / "noise.json").exists():
        raise FileNotFoundError(card)
    load_classifier(str(card))
    return _file(path / "noise.npz")


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


VERBS: Mapping[str, Verb] = {
    "put zarr": Verb("put IN/raw.npy zarr://DISK/a.zarr", "a.zarr", _volume),
    "put n5": Verb("put IN/raw.npy n5://DISK/a.n5", "a.n5", _volume),
    "put precomputed": Verb("put IN/raw.zarr precomputed://DISK/a", "a", _volume),
    "put images": Verb("put IN/raw.npy images://DISK/a", "a", _sections),
    "transfer images": Verb("transfer IN/raw.zarr images://DISK/a", "a", _sections),
    "put hdf5": Verb("put IN/raw.npy hdf5://DISK/a.h5/v", "a.h5", _volume),
    "get npy": Verb("get IN/raw.zarr DISK/a.npy", "a.npy", _volume),
    "get --overwrite npy": Verb("get IN/raw.zarr DISK/a.npy --overwrite", "a.npy", _volume, {"a.npy": "old.npy"}),
    "get hdf5": Verb("get IN/raw.zarr DISK/a.h5", "a.h5", _volume),
    "get tif": Verb("get IN/raw.zarr DISK/a.tif", "a.tif", _tiff),
    "get sections": Verb("get IN/raw.zarr DISK/a/", "a", _sections),
    "get nii.gz": Verb("get IN/raw.zarr DISK/a.nii.gz", "a.nii.gz", _volume),
    "get zarr": Verb("get IN/raw.zarr DISK/a.zarr", "a.zarr", _volume),
    "get --overwrite zarr": Verb("get IN/raw.zarr DISK/a.zarr --overwrite", "a.zarr", _volume, {"a.zarr": "old.zarr"}),
    "transfer zarr": Verb("transfer IN/raw.zarr zarr://DISK/a.zarr --chunk 16,32,32", "a.zarr", _volume),
    "transfer n5": Verb("transfer IN/raw.zarr n5://DISK/a.n5", "a.n5", _volume),
    "convert": Verb("convert IN/raw.zarr zarr://DISK/a.zarr --window 20:200", "a.zarr", _volume),
    "downsample": Verb("downsample DISK/a.zarr --levels 3", "a.zarr", _pyramid, {"a.zarr": "raw.zarr"}),
    "downsample --out": Verb("downsample IN/raw.zarr --out zarr://DISK/a.zarr --levels 3", "a.zarr", _volume),
    "mesh": Verb("mesh IN/labels.zarr --out precomputed://DISK/a --engine sequential", "a", _folder),
    "skeletonize": Verb("skeletonize IN/labels.zarr --out precomputed://DISK/a --engine sequential", "a", _folder),
    "regions": Verb(
        "regions IN/labels.zarr --out DISK/a.parquet --contacts DISK/b.parquet --engine sequential", "a.parquet", _table
    ),
    "annotations": Verb("annotations IN/points.csv?voxel_size=40,8,8 --out precomputed://DISK/a", "a", _folder),
    "annotations parquet": Verb(
        "annotations IN/points.csv?voxel_size=40,8,8 --out DISK/a.parquet", "a.parquet", _table
    ),
    "phantom": Verb("phantom DISK/a --shape 24,48,48 --seed 3", "a/raw.zarr", _volume),
    "phantom lm": Verb("phantom DISK/a --shape 24,48,48 --modality lm", "a/raw.zarr", _volume),
    "run": Verb(
        "run IN/mark.cwl --set raw=IN/raw.zarr --set at=100 --out DISK/a --engine sequential", "a/mask.zarr", _volume
    ),
    "tool": Verb("tool common.threshold --image IN/raw.zarr --at 100 --out DISK/a --engine sequential", "a", _result),
    "cwl-runner": Verb("cwl-runner --outdir DISK/a IN/copy.cwl --file IN/raw.npy", "a/copied.npy", _volume),
    "schedule": Verb(
        "schedule IN/mark.cwl --set raw=IN/raw.zarr --set at=100 --out DISK/a --dags DISK/dags",
        "dags",
        _dag,
        {"dags": "dags"},
    ),
    "describe": Verb("describe voxome --out DISK/a", "a/common.threshold.cwl", _file),
    "train": Verb("train pixels IN/train.toml --out DISK/a", "a", _model),
    "proofread start": Verb("proofread start IN/labels.zarr DISK/a.sqlite --author ann", "a.sqlite", _history),
    "proofread export": Verb("proofread export IN/edits.sqlite zarr://DISK/a.zarr --workers 1", "a.zarr", _volume),
    "relay token": Verb("relay token create ann --catalogue DISK/a.sqlite", "a.sqlite", _tokens),
    "relay materialize": Verb(
        "relay materialize marked --out zarr://DISK/a.zarr --config IN/relay.toml", "a.zarr", _volume
    ),
    "init": Verb("init aws --out DISK/a.yaml", "a.yaml", _file),
}
