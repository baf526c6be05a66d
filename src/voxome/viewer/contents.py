"""What a view shows: volumes, arrays, and the results of runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from voxome.contracts.formats import RUN
from voxome.contracts.handle import Handle
from voxome.contracts.run_record import RunRecord
from voxome.contracts.shapes import Annotations
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.records.folder import read_json_or_none
from voxome.reports.colours import Colour, neuron_colour, read_colours
from voxome.resources.open import open
from voxome.resources.shapes import Points
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.viewer.segment_table import neuron_properties
from voxome.viewer.states import LayerType
from voxome.workflow.results import RECORD

MOST_SELECTED = 40
"""Largest neurons of a run, which are selected, so that their meshes are shown."""
MOST_COLOURS = 2000
"""Neurons of a run that have the colours of its report in the state; Neuroglancer chooses those of further ones."""

_ADAPTERS = re.compile(r"(/*\|[a-z][a-z0-9_-]*:)+/*$")
_SUFFIXES = re.compile(r"(\.(zarr|n5|h5|hdf5|npy|nii|gz|zip|tif|tiff|parquet))+$")


@dataclass(frozen=True)
class Content:
    """Something that is shown as a layer.

    Attributes
    ----------
    name : str
        Name of the layer.
    type : {"image", "segmentation", "annotation"}
        What it is.
    resource : Volume, Annotations or Points
        Its data.
    visible : bool
        Whether it is shown at first.
    segments : sequence of int
        Ids that are selected.
    colours : mapping of int to (red, green, blue)
        Colours of segments.
    linked : mapping of str to str
        Relation of annotations → name of the segmentation.
    properties : mapping of str to values, optional
        Numbers of segments, as Neuroglancer reads them.
    """

    name: str
    type: LayerType
    resource: Volume | Annotations | Points
    visible: bool = True
    segments: Sequence[int] = ()
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    linked: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Any] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the whole numbers of segments, sizes first; the viewer shows others with all of their digits."""
        listed = () if self.properties is None else self.properties["inline"]["properties"]
        return tuple(one["id"] for one in listed if one["data_type"] != "float32")

    def named(self, name: str) -> Content:
        """Return the content under another name."""
        return replace(self, name=name)


def contents_of(target: VolumeLike | Points | Annotations, number: int) -> Iterator[Content]:
    """Yield the layers of a target.

    Parameters
    ----------
    target : str, path, Volume, Points, Annotations or array
        A volume, annotations, or the folder of a run, of which all results are shown.
    number : int
        Names an array: ``array1``.

    Yields
    ------
    Content
        The layers, the lowest first.

    Raises
    ------
    InvalidInput
        If it is meshes or skeletons alone.
    NotFound, UnsupportedFormat
        If it cannot be opened.
    """
    if isinstance(target, Annotations | Points):
        yield Content(f"annotations{number}", "annotation", target)
        return
    if isinstance(target, Path | str) and (record := _record_of(target)) is not None:
        yield from _contents_of_run(Path(target), record)
        return
    if isinstance(target, Path | str):
        resource = open(target)
        if isinstance(resource, Points):
            yield Content(layer_name(target), "annotation", resource)
            return
        if not isinstance(resource, Volume):
            raise InvalidInput(f"{target} holds {type(resource).__name__.lower()}; view the labels that they belong to")
        yield _of_volume(resource, layer_name(target))
        return
    volume = as_volume(target)
    yield _of_volume(volume, layer_name(volume.uri) if volume.uri else f"array{number}")


def layer_name(location: str | Path) -> str:
    """Return a name for what is stored at an address.

    Examples
    --------
    >>> layer_name("zarr:///data/em cortex.zarr?level=1"), layer_name("a.h5/volumes/raw")
    ('em-cortex', 'raw')
    """
    last = _ADAPTERS.sub("", Uri.parse(location).path).rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", _SUFFIXES.sub("", last)).strip("-.")
    return name or "volume"


def _of_volume(volume: Volume, name: str, **options: Any) -> Content:
    return Content(name, "segmentation" if volume.spec.kind == "labels" else "image", volume, **options)


def _record_of(target: str | Path) -> RunRecord | None:
    """Return the record of a run, if the target is its folder."""
    if "://" in str(target):
        return None
    path = Path(target) / RECORD
    stored = read_json_or_none(path) if path.is_file() else None
    if stored is not None:
        RUN.content(stored, path)
    return cast("RunRecord | None", stored)


def _contents_of_run(folder: Path, record: RunRecord) -> Iterator[Content]:
    """Yield inputs and results of a run: the finest product last, which is drawn on top."""
    store = record["store"] or str(folder)
    for name, given in record["inputs"].items():
        if isinstance(given, Mapping) and given.get("type") == "volume":
            handle = Handle.from_json(cast("Mapping[str, Any]", given))
            is_made = name in record["outputs"]
            volume = open(handle.uri, expect=Volume)
            yield _of_volume(volume, f"{name}-input" if is_made else name, visible=not is_made)
    tables = {name: one for name, uri in record["outputs"].items() if (one := _table(uri, store)) is not None}
    for name, uri in record["outputs"].items():
        if Uri.parse(uri).scheme:
            volume = open(_within(uri, store), expect=Volume)
            is_product = name == "neurons"
            sizes = tables.get(f"{name}_table")
            marks = {} if sizes is None else _largest(sizes, read_colours(folder))
            if sizes is not None and is_product and marks:
                marks["properties"] = neuron_properties(sizes, tables.get("synapses"), volume.voxel_size_nm)
            yield _of_volume(volume, name, visible=is_product, **marks)
    if "synapses" in tables and "neurons" in record["outputs"]:
        yield _synapses(tables["synapses"], record, store)


def _within(uri: str, store: str) -> str:
    return uri.replace("./", f"{store.rstrip('/')}/", 1)


def _table(uri: str, store: str) -> TableFile | None:
    return TableFile(_within(uri, store)) if uri.endswith(".parquet") else None


def _largest(table: TableFile, colours: Mapping[int, Colour]) -> dict[str, Any]:
    """Return the largest neurons, and the colours that the report has for them."""
    if not {"id", "voxels"} <= set(table.columns):
        return {}
    rows = table.read(["id", "voxels"])
    ids = rows["id"][np.argsort(rows["voxels"], kind="stable")[::-1]].tolist()
    shown = {one: colours.get(one) or neuron_colour(one) for one in ids[:MOST_COLOURS]}
    return {"segments": ids[:MOST_SELECTED], "colours": shown}


def _synapses(table: TableFile, record: RunRecord, store: str) -> Content:
    """Return synapses as points, with the neurons before and behind them."""
    rows = table.read(["id", "z_nm", "y_nm", "x_nm", "pre_id", "post_id"])
    neurons = open(_within(record["outputs"]["neurons"], store), expect=Volume)
    half = np.array(neurons.spec.voxel_size_nm or (0, 0, 0)) / 2
    corner = np.array(neurons.spec.offset_nm) - half
    places = np.stack([rows[f"{axis}_nm"] for axis in "zyx"], axis=1) - corner
    relations = {name: rows[f"{name}_id"][:, None] for name in ("pre", "post")}
    points = Annotations("point", rows["id"].astype(np.uint64), places[:, None], relations=relations)
    return Content("synapses", "annotation", points, linked=dict.fromkeys(relations, "neurons"))
