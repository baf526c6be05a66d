"""Documents of JSON, YAML and TOML whose values are replaced: each is read, or refused by an error of voxome."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

from fuzz.mutation import mutate, mutate_json
from fuzz.refusals import refusing
from voxome.contracts.json_text import parse_object
from voxome.errors import InvalidInput, VoxomeError


class Document(NamedTuple):
    """A valid document, a function that reads the file of one, and the errors that it documents."""

    content: Any
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...] = (VoxomeError,)


def _object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, as those who call a reader of values would."""
    found = parse_object(path.read_bytes())
    if found is None:
        raise InvalidInput("not a JSON object")
    return found


def _model_card() -> Document:
    from voxome.models import cards

    return Document(json.loads((cards.FOLDER / "membranes.json").read_text()), cards.load)


def _classifier() -> Document:
    from voxome.contracts.formats import PIXELS
    from voxome.models.pixels.classifier import read_classifier

    feature = {"name": "gaussian", "sigma_um": 0.5}
    card = {
        "kind": "forest", "name": "a", "version": "1", "file": "a.npz", "sha256": "0" * 64, "classes": ["a", "b"],
        "features": [feature, feature], "dimensions": 3, "voxel_size_nm": [40, 8, 8], "dtype": "uint8",
        "intensity_range": [0, 255], "scores": {"a": {"b": 0.5}},
    }  # fmt: skip
    return Document(PIXELS.stamp(card), lambda path: read_classifier(path.read_bytes(), path))


def _mixture() -> Document:
    from voxome.contracts.formats import PIXELS
    from voxome.models.pixels.classifier import read_classifier

    components = [{"weight": 0.5, "mean": 10.0, "std": 2.0}, {"weight": 0.5, "mean": 100.0, "std": 9.0}]
    card = {"kind": "mixture", "components": components, "voxels": 100}
    return Document(PIXELS.stamp(card), lambda path: read_classifier(path.read_bytes(), path))


def _image_lock() -> Document:
    from voxome.environments.lock import ImageLock

    def read(path: Path) -> None:
        ImageLock.read(path).check("tool:1", "config", "sha256:ab")

    images = {"tool:1": {"config": "sha256:ab", "file": "sha256:cd"}, "other:latest": {"config": "sha256:ef"}}
    return Document({"voxome": "image lock", "format_version": 1, "images": images}, read)


def _handle() -> Document:
    from voxome.contracts.handle import Handle
    from voxome.workflow.inputs import read_handle

    given = Handle(
        "volume", "zarr:///a.zarr?level=1", "key", "0:4,0:5,0:6", (8.0, 8.0, 8.0), "0:9,0:9,0:9", (0.0, 0.0, 4.0), True
    )

    def read(path: Path) -> None:
        one = read_handle(str(path))
        one.within("s3://bucket/run?region=eu")
        repr(one.region)

    return Document(given.to_json(), read)


def _provenance() -> Document:
    from voxome.contracts.provenance import Provenance

    made = Provenance.now("mesh", "command line", "voxome", "1", {"id": 7, "at": [1, 2]})
    return Document(made.to_json(), lambda path: Provenance.from_json(_object(path)))


def _plan() -> Document:
    from voxome.contracts.formats import PRIVATE
    from voxome.workflow import saved_plan

    step = {
        "voxome": "step", "format_version": 2, "name": "mask", "tool": "common.threshold", "version": "1",
        "parameters": {"at": 9.0}, "inputs": {}, "outputs": {}, "box": "0:4,0:5,0:6", "block": [4, 5, 6],
    }  # fmt: skip
    content = {
        "voxome": "plan", "format_version": 1, "key": "abc", "steps": [step], "store": None, "stale": [step],
        "earlier": ["def"],
    }  # fmt: skip

    def read(path: Path) -> None:
        (path.parent / PRIVATE).mkdir(exist_ok=True)
        (path.parent / PRIVATE / "plan.json").write_bytes(path.read_bytes())
        saved_plan.read_plan(path.parent)

    return Document(content, read)


def _job_file() -> Document:
    from voxome.workflow.job_file import read_job

    graph: Any = SimpleNamespace(
        document="", run_options={"store": "store", "workers": "workers"}, inputs={"raw": None, "at": None}
    )
    content = {
        "raw": {"class": "File", "path": "raw.zarr", "basename": "raw.zarr"}, "at": 100, "store": "s3://bucket/run",
        "workers": 2, "block": "16,64,64", "cwl:tool": "w.cwl", "many": [{"class": "File", "location": "file:///a"}],
        "$namespaces": {"v": "https://voxome.org/cwl#"},
    }  # fmt: skip
    return Document(content, lambda path: read_job(path, path.parent / "w.cwl", graph))


def _blocks_hint() -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    from voxome.workflow.blocks_hint import parse_blocks_hint

    content = {
        "class": "https://voxome.org/cwl#Blocks", "halo": {"nm": [80, 80, 80]}, "block": [64, 64, 64], "version": "2",
        "inputs": {"image": {"format": "npy", "axes": "zyx", "dtype": "uint8"}},
        "outputs": {
            "labels": {
                "format": "hdf5", "axes": "zyx", "dataset": "labels", "kind": "labels", "extent": "read",
                "stitch": {"rule": "overlap", "fraction": 0.5},
            },
            "cells": {"kind": "table", "format": "csv", "columns": {"id": "int64", "z": "float64"}, "key": ["id"]},
        },
    }  # fmt: skip
    tool = {
        "inputs": [{"id": "file:///t.cwl#image", "type": "File"}],
        "outputs": [{"id": "file:///t.cwl#labels", "type": "File"}, {"id": "file:///t.cwl#cells", "type": "File"}],
    }

    def read(path: Path) -> None:
        try:
            document = YAML().load(path.read_bytes())
        except (YAMLError, ValueError, TypeError) as error:
            raise InvalidInput("not YAML") from error
        parse_blocks_hint(document if isinstance(document, dict) else CommentedMap(), tool, [])

    return Document(content, read)


def _workflow() -> Document:
    from voxome.workflow.cwl import load

    tools = Path(__file__).parents[2] / "pipelines" / "tools"
    content = {
        "cwlVersion": "v1.2", "class": "Workflow", "$namespaces": {"voxome": "https://voxome.org/cwl#"},
        "hints": {"voxome:Run": {"results": {"counts": "histogram"}}},
        "inputs": {"raw": ["File", "string"], "store": "string"},
        "outputs": {"counts": {"type": "File", "outputSource": "count/result"}},
        "steps": {
            "mask": {
                "run": f"{tools}/common.threshold.cwl", "out": ["result"],
                "in": {"image": "raw", "at": {"default": 100}, "store": "store"},
            },
            "count": {
                "run": f"{tools}/common.statistics.cwl", "in": {"image": "mask/result", "store": "store"},
                "out": ["result"],
            },
        },
    }  # fmt: skip
    return Document(content, load)


def _relay_config() -> Document:
    from voxome.relay.config_file import check_file, parse_config

    content = {
        "port": 8090, "host": "127.0.0.1", "catalogue": "c.sqlite", "data": "data", "dialects": ["boss", "raw"],
        "sources": {"em": {"uri": "zarr:///a.zarr", "boss": "a/b/c", "read": ["lab"], "write": "through"}},
        "annotations": {"points": {"uri": "precomputed:///p"}}, "stores": {"s": {"folder": "/s"}},
        "cache": {"folder": "cache", "memory_mib": 10, "disk_mib": 100}, "log": {"access": "-"},
        "limits": {"connections": 10}, "allow_origins": ["https://a.example"],
    }  # fmt: skip

    def read(path: Path) -> None:
        values = _object(path)
        parse_config(values, str(path))
        check_file(values, str(path))

    return Document(content, read)


def _job() -> Document:
    from voxome.contracts.engine import Job, JobStatus

    status = {
        "id": "a", "state": "done", "result": {"seconds": 1.0, "peak_bytes": 5, "counts": {"n": 1}}, "error": None,
        "error_type": None, "retryable": False,
    }  # fmt: skip
    job = {"id": "a", "task": "block", "payload": {}, "resources": {"cores": 1, "memory_bytes": 5}, "settings": {}}

    def read(path: Path) -> None:
        both = json.loads(path.read_text())
        JobStatus.from_json(both["status"]).to_json()
        Job.from_json(both["job"]).to_json()

    return Document({"status": status, "job": job}, read, (ValueError, KeyError, TypeError))


def _recalled() -> Document:
    from voxome.contracts.spec import VolumeSpec
    from voxome.relay.recalled import RecalledLevel

    spec = VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(8, 8, 8), chunk=(4, 4, 4))
    level = RecalledLevel(spec, (0, 0, 0)).to_json()
    return Document(json.loads(level), lambda path: RecalledLevel.from_json(path.read_text(errors="replace")))


DOCUMENTS: Mapping[str, Callable[[], Document]] = {
    "cards of forests": _classifier,
    "cards of mixtures": _mixture,
    "configurations of relays": _relay_config,
    "CWL": _workflow,
    "handles": _handle,
    "hints of blocks": _blocks_hint,
    "job files": _job_file,
    "jobs and their results": _job,
    "lock files of images": _image_lock,
    "model cards": _model_card,
    "plans": _plan,
    "provenances": _provenance,
    "sources that a relay recalls": _recalled,
}


def document_attempts(document: Document, folder: Path) -> Callable[[Random], None]:
    """Return a function that edits the document, or its text, and reads it."""
    file, text = folder / "document.json", json.dumps(document.content).encode()
    try:
        file.write_bytes(text)
        document.read(file)
    except document.errors:
        pass  # of what it refers to, which does not exist here

    def attempt(random: Random) -> None:
        if random.random() < 0.9:
            file.write_text(json.dumps(mutate_json(random, document.content)))
        else:
            file.write_bytes(mutate(random, [text]))
        with refusing(document.errors):
            document.read(file)

    return attempt
