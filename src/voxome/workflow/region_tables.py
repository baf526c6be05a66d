"""Measure the segments of a volume of any size, into files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from voxome.contracts.handle import Handle
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.uri import Uri
from voxome.engines.choice import EngineChoice
from voxome.errors import AlreadyExists, InvalidInput
from voxome.records.choice import RecordsChoice
from voxome.registry import TOOLS, load
from voxome.remotes.precomputed.segment_properties import write_segment_properties
from voxome.resources.columns import provenance_metadata
from voxome.resources.labels import require_labels
from voxome.resources.provenance import input_record, own_version
from voxome.resources.table import ROW_GROUP, TableFile, write_batches
from voxome.resources.volume_like import as_volume
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath
from voxome.tools.common.segments.measures import CONTACTS, REGIONS, VALUES
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.options import RunOptions
from voxome.workflow.run import Progress

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
    """

    regions: str
    segments: int
    contacts: str | None
    touching: int | None
    properties: str | None
    omitted: tuple[str, ...]


def write_regions(
    labels: str,
    out: str,
    *,
    image: str | None = None,
    contacts: str | None = None,
    segment_properties: str | None = None,
    options: RunOptions | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> RegionTables:
    """Measure the segments of a volume of any size, block by block; repeat the same call to resume.

    The sums of blocks are kept in a folder beside `out`, ``<out>.run``, which is removed at the end.

    Parameters
    ----------
    labels : str
        URI or path of the labels.
    out : str
        Path or address of the table of segments, ``FILE.parquet``; columns as those of `voxome.regions`.
    image : str, optional
        URI or path of a volume with the same voxels, whose values under every segment are measured.
    contacts : str, optional
        Path or address of the table of contacts, ``FILE.parquet``; columns as those of `voxome.contacts`.
    segment_properties : str, optional
        ``precomputed://SEGMENTATION/FOLDER``: where to write the main measures for Neuroglancer.
    options : RunOptions, optional
        Block, box, level, voxel size.
    workers, engine, records, progress : optional
        See `voxome.workflow.run_tool.run_tool`.
    overwrite : bool
        Whether to replace existing tables.

    Raises
    ------
    InvalidInput
        If a file has another suffix, or the labels are none.
    AlreadyExists
        If a table exists, unless `overwrite`, or the folder of the properties has something else.
    PlanError, RunLocked, RunFailed
    """
    options = options or RunOptions()
    if options.block is None:
        options = replace(options, block=_BLOCK)
    volumes = {"labels": require_labels(labels)} | ({} if image is None else {"image": as_volume(image)})
    tables = {name: _table_path(path) for name, path in (("regions", out), ("contacts", contacts)) if path is not None}
    parent = tables["regions"].parent
    assert parent is not None, "a table is a file in a folder"
    work = parent / f"{tables['regions'].name}.run"
    taken = [str(path) for path in tables.values() if path.exists()]
    if taken and not overwrite and not work.taken():
        raise AlreadyExists(f"{taken[0]} already exists; choose another name, delete it, or use --overwrite")
    values = {"labels": labels, "contacts": contacts is not None} | ({} if image is None else {"image": image})
    made: dict[str, Handle] = {}
    for name in tables:
        graph = chain_of("regions", *(load(TOOLS, f"common.{one}").spec for one in ("region_sums", name)))
        made |= run_chain(
            graph,
            values,
            store=work.address,
            workers=workers,
            options=options,
            engine=engine,
            records=records,
            progress=progress,
        )
    origin = Provenance.now(
        "regions",
        LOCAL,
        "common.regions",
        own_version(),
        {"box": None if options.box is None else str(options.box), "level": options.level},
        [input_record(name, volume.source, volume.uri) for name, volume in volumes.items()],
    )
    found = {name: TableFile(handle.uri) for name, handle in made.items()}
    for name, path in tables.items():
        _copy(found[name], path, () if name == "contacts" or image is not None else tuple(VALUES), origin)
    omitted: tuple[str, ...] = ()
    if segment_properties is not None:
        listed = tuple(name for name in LISTED if image is not None or name not in VALUES)
        rows = found["regions"].read(("id", *listed))
        uri = Uri.parse(segment_properties)
        omitted = write_segment_properties(uri, rows.pop("id"), rows, origin)
    report = RegionTables(
        str(tables["regions"]),
        len(found["regions"]),
        None if contacts is None else str(tables["contacts"]),
        None if contacts is None else len(found["contacts"]),
        segment_properties,
        omitted,
    )
    work.delete()
    return report


def _table_path(path: str) -> StoragePath:
    """Return the path of a table to write.

    Raises
    ------
    InvalidInput
        If it is not named as one.
    """
    if not path.partition("?")[0].endswith(".parquet"):
        raise InvalidInput(f"{path} is not named as a table; end its name in .parquet")
    return storage_at(path if "://" in path else str(Path(path).expanduser().absolute()), writing=True)


def _copy(table: TableFile, path: StoragePath, without: Collection[str], origin: Provenance) -> None:
    """Copy the columns of a table, in the memory of a row group."""
    columns = {name: _DTYPES[name] for name in table.columns if name not in without}
    write_batches(path, table.batches(ROW_GROUP), columns, metadata=provenance_metadata(origin))
