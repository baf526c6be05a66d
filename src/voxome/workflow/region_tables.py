"""Measure the segments of a volume of any size, into files."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_path
from voxome.contracts.neuroglancer import SupportsSegmentProperties
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.uri import Location, Uri
from voxome.engines.choice import EngineChoice
from voxome.errors import InvalidInput, InvalidUri, VoxomeError
from voxome.records.choice import RecordsChoice
from voxome.registry import TOOLS, load
from voxome.resources.columns import provenance_metadata, read_table_provenance
from voxome.resources.folders import volume_around
from voxome.resources.labels import require_corner, require_labels
from voxome.resources.provenance import input_record, own_version
from voxome.resources.recognition import find_remote
from voxome.resources.table import ROW_GROUP, TableFile
from voxome.resources.table_files import is_csv, table_path, write_table_file
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume
from voxome.services.regions import measured_region, require_same_voxels
from voxome.storage.find import storage_at, storage_path
from voxome.storage.path import StoragePath
from voxome.tools.common.segments.measures import CONTACTS, REGIONS, VALUES
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.negative_labels import refuse_negative_labels
from voxome.workflow.options import RunOptions
from voxome.workflow.run import Progress
from voxome.workflow.table_work import work_folder, work_path

_LOG = logging.getLogger(__name__)
LISTED = (
    "voxels",
    "volume_nm3",
    "surface_nm2",
    "z_nm",
    "y_nm",
    "x_nm",
    "major_axis_nm",
    "middle_axis_nm",
    "minor_axis_nm",
    "values",
    "mean",
    "std",
    "min",
    "max",
)
"""Measures that segment properties list."""
_BLOCK = (128, 256, 256)
"""Write box in voxels: larger than that of most tools, as reading a layer beyond it decodes whole chunks."""
_DTYPES = {**REGIONS, **VALUES, **CONTACTS}


@dataclass(frozen=True)
class RegionTables:
    """What was written.

    Attributes
    ----------
    regions : str
        Address of the table of segments.
    segments : int
        Its rows.
    contacts : str or None
        Address of the table of contacts.
    touching : int or None
        Its rows.
    properties : str or None
        URI of the segment properties.
    omitted : tuple of str
        Measures that these cannot express.
    reused : bool
        Whether an earlier call for the same had finished, so that nothing was computed.
    """

    regions: str
    segments: int
    contacts: str | None
    touching: int | None
    properties: str | None
    omitted: tuple[str, ...]
    reused: bool = False


@explain_calls
def write_regions(
    labels: Location,
    out: Location,
    *,
    image: Location | None = None,
    contacts: Location | None = None,
    segment_properties: Location | None = None,
    options: RunOptions | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> RegionTables:
    """Measure the segments of a volume of any size, block by block; repeat the same call to resume.

    The sums of blocks are kept in a folder beside `out`, ``<out>.run``, which is removed at the end. Tables and segment
    properties that say that the same call has finished them are left as they are.

    Parameters
    ----------
    labels : str or path
        URI or path of the labels.
    out : str or path
        Path or address of the table of segments, ``FILE.parquet``, or ``FILE.csv``, which does not keep what made it;
        columns as those of `voxome.regions`.
    image : str or path, optional
        URI or path of a volume with the same voxels, whose values under every segment are measured.
    contacts : str or path, optional
        Path or address of the table of contacts, ``FILE.parquet`` or ``FILE.csv``; columns as those of
        `voxome.contacts`.
    segment_properties : str, optional
        ``precomputed://SEGMENTATION/FOLDER``: where to write the main measures for Neuroglancer.
    options : RunOptions, optional
        Block, box, level, voxel size.
    workers, engine, records, progress : optional
        See `voxome.workflow.run_tool.run_tool`.
    overwrite : bool
        Whether to replace existing tables and segment properties.

    Raises
    ------
    InvalidInput
        If a file has another suffix, the labels are none, or the image lacks voxels of them.
    AlreadyExists
        If a table or segment properties exist, unless `overwrite`, and the same call has not begun or finished
        them; if the folder of the properties, or ``<out>.run``, has something else.
    ReadOnly
        If one of the files cannot be written.
    PlanError, RunLocked, RunFailed
    """
    options = options or RunOptions()
    if options.block is None:
        options = replace(options, block=_BLOCK)
    volumes = {"labels": require_labels(labels)} | ({} if image is None else {"image": as_volume(image)})
    require_corner(volumes["labels"].level(options.level))
    if image is not None:
        _require_same_voxels(volumes["image"], volumes["labels"], options)
    tables, properties = _tables(out, contacts), None
    files = list(tables.values())
    if segment_properties is not None:
        properties = Uri.parse(require_path("segment_properties", segment_properties))
        store = _properties_store(properties)
        files.append(storage_at(store.segment_properties_file(properties), writing=True))
    values = {"contacts": contacts is not None, **{name: volume.reveal_uri() for name, volume in volumes.items()}}
    run: dict[str, Any] = {"workers": workers, "options": options, "engine": engine, "records": records}
    request, unknown = _request(volumes, options), () if image is not None else tuple(VALUES)
    records_of = [input_record(name, volume.source, volume.uri) for name, volume in volumes.items()]
    settings = {name: value for name, value in request.items() if name not in volumes}
    origin = Provenance.now("regions", LOCAL, "common.regions", own_version(), settings, records_of)
    finished = [path for path in tables.values() if _is_made_by(_table_provenance(path), origin)]
    omitted: tuple[str, ...] = ()
    if properties is not None:
        listed, made_by = store.stored_segment_properties(properties)
        omitted = tuple(name for name in LISTED if name not in listed and name not in unknown)
        finished += [files[-1]] if _is_made_by(made_by, origin) else []
    if len(finished) == len(files) and not overwrite and not work_path(files[0]).taken():
        _warn_of_reuse(tables["regions"], origin)
        return _reused(tables, properties, omitted)
    with work_folder(files, request, overwrite=overwrite, finished=finished) as work:
        graph = chain_of("regions", *(load(TOOLS, f"common.{one}").spec for one in ("region_sums", *tables)))
        with refuse_negative_labels(volumes["labels"].uri or "the array"):
            made = run_chain(graph, values, store=work.address, progress=progress, **run)
        found = {name: TableFile(handle.uri) for name, handle in made.items()}
        for name, path in tables.items():
            _copy(found[name], path, unknown if name == "regions" else (), origin)
        if properties is not None:
            rows = found["regions"].read(["id", *(name for name in LISTED if name not in unknown)])
            omitted = store.write_segment_properties(properties, rows.pop("id"), rows, origin)
        return RegionTables(
            regions=str(tables["regions"]),
            segments=len(found["regions"]),
            contacts=None if contacts is None else str(tables["contacts"]),
            touching=None if contacts is None else len(found["contacts"]),
            properties=None if properties is None else str(properties),
            omitted=omitted,
        )


def _tables(out: Location, contacts: Location | None) -> dict[str, StoragePath]:
    """Return the paths of the tables to write, by what they contain."""
    tables = {"regions": table_path(require_path("out", out))}
    if contacts is not None:
        tables["contacts"] = table_path(require_path("contacts", contacts))
        if tables["contacts"].address == tables["regions"].address:
            raise InvalidInput(f"the tables of segments and of contacts are both {out}; give them two names")
    return tables


def _request(volumes: Mapping[str, Volume], options: RunOptions) -> dict[str, Any]:
    """Return what is measured, as JSON values: a call for the same is the same call."""
    return {
        **{name: volume.uri for name, volume in volumes.items()},
        "box": None if options.box is None else str(options.box),
        "level": options.level,
        "voxel_size_nm": None if options.voxel_size_nm is None else list(options.voxel_size_nm),
    }


def _properties_store(uri: Uri) -> SupportsSegmentProperties:
    """Return the remote that writes segment properties at a URI.

    Raises
    ------
    InvalidUri
        If it is not the URI of such a remote.
    InvalidInput
        If it is inside a volume of another format.
    """
    store = find_remote(uri.scheme)
    if not isinstance(store, SupportsSegmentProperties):
        raise InvalidUri(f"{uri} is no folder for segment properties; expected precomputed://SEGMENTATION/FOLDER")
    found = volume_around(uri.local_path) if storage_path(uri).is_local else None
    if found is not None and found[0] != uri.scheme:
        raise InvalidInput(
            f"{uri} is inside {found[0]}://{found[1]}, where viewers look for no segment properties; write them into "
            f"the folder of a precomputed segmentation, {uri.scheme}://SEGMENTATION/FOLDER, or outside of volumes"
        )
    return store


def _require_same_voxels(image: Volume, labels: Volume, options: RunOptions) -> None:
    """Require that an image has all voxels of the labels that are measured, at the level that is read."""
    labels, image = (volume.level(options.level) if options.level else volume for volume in (labels, image))
    require_same_voxels(image, labels, measured_region(labels, options.box))


def _table_provenance(path: StoragePath) -> tuple[Provenance, ...]:
    """Return what made a table, as it says; empty if there is none, or it is something else."""
    try:
        return () if is_csv(path) or not path.exists() else read_table_provenance(path.address)
    except VoxomeError:
        return ()


def _is_made_by(stored: Sequence[Provenance], origin: Provenance) -> bool:
    """Return whether the last entry of a provenance is `origin`, at any time."""
    return [replace(one, time="") for one in stored[-1:]] == [replace(origin, time="")]


def _warn_of_reuse(table: StoragePath, origin: Provenance) -> None:
    """Warn that a table is not computed again although the voxels may have changed."""
    for one in origin.inputs:
        if one.version is None:
            _LOG.warning(
                "%s is kept, although the store of %s does not report changes of its data: after one, use --overwrite",
                table,
                one.uri,
            )


def _reused(tables: Mapping[str, StoragePath], properties: Uri | None, omitted: tuple[str, ...]) -> RegionTables:
    """Return what an earlier call has written."""
    counts = {name: len(TableFile(path.address)) for name, path in tables.items()}
    return RegionTables(
        regions=str(tables["regions"]),
        segments=counts["regions"],
        contacts=str(tables["contacts"]) if "contacts" in tables else None,
        touching=counts.get("contacts"),
        properties=None if properties is None else str(properties),
        omitted=omitted,
        reused=True,
    )


def _copy(table: TableFile, path: StoragePath, without: Collection[str], origin: Provenance) -> None:
    """Copy the columns of a table, in the memory of a row group."""
    columns = {name: _DTYPES[name] for name in table.columns if name not in without}
    write_table_file(path, table.batches(ROW_GROUP), columns, provenance_metadata(origin))
