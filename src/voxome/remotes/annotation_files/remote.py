"""``annotationfiles://FILE.parquet`` and ``.csv``: a table with a row for each annotation.

Columns are those of `voxome.remotes.annotation_rows`. Tables of other programs are read too: with positions in voxels,
with ``pre_`` and ``post_`` in place of ``start_`` and ``stop_``, and without ids, which then are the numbers of rows.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voxome.contracts.points import PointsSpec, PointsSummary, PointsWriter
from voxome.contracts.provenance import ATTRIBUTE, Provenance
from voxome.contracts.ragged import Ragged
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.contracts.source import Mode, ResourceInfo, Source
from voxome.contracts.uri import Uri
from voxome.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    ReadOnly,
    UnknownName,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.remotes.annotation_checks import UniqueIds, require_positions
from voxome.remotes.annotation_files.columns import (
    TableOptions,
    TableReader,
    has_positions,
    parse_lengths,
    parse_position,
    require_few_columns,
)
from voxome.remotes.annotation_files.csv import csv_columns, read_csv, read_csv_names, read_csv_schema
from voxome.remotes.annotation_rows import to_table, type_name
from voxome.remotes.provenance_json import parse_entries
from voxome.storage.atomic import storing
from voxome.storage.damaged_tables import reading_table
from voxome.storage.find import storage_path
from voxome.storage.local import LocalPath
from voxome.storage.parquet_files import open_parquet
from voxome.storage.path import StoragePath
from voxome.storage.probe import require_write_access

_LOG = logging.getLogger(__name__)
SUFFIXES = (".csv", ".parquet")
_ROWS = 1 << 16
_OPTIONS = ("offset", "relations", "voxel_size")


class AnnotationFilesRemote:
    """Tables of annotations.

    Options after ``?`` are ``voxel_size=Z,Y,X`` in nm (of positions in voxels), ``relations=A,B`` (columns of ids of
    segments) and, for tables of a run, ``offset=Z,Y,X`` in nm.
    """

    points_suffixes = SUFFIXES
    signature = "annotations (.csv, .parquet)"

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is a table with columns of positions."""
        if not (path.name.lower().endswith(SUFFIXES) and path.is_file()):
            return False
        file = LocalPath(str(path))
        try:
            return has_positions(read_csv_names(file) if _is_csv(file) else _schema(file).names)
        except VoxomeError:
            return False

    def open(self, uri: Uri, *, mode: Mode = "r") -> Source:
        if mode != "r":
            raise ReadOnly(f"{uri} is a table, which cannot be edited; write it as precomputed:// to edit annotations")
        return TableSource(_path(uri), _options(uri), str(uri))

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        yield ResourceInfo(str(uri), "points")

    def open_points_writer(self, uri: Uri, spec: PointsSpec) -> PointsWriter:
        path = _path(uri, writing=True)
        _require_free(path, uri)
        require_write_access(path, str(uri))
        return TableWriter(uri)


class TableSource:
    """The annotations of one table; queries read all of it, part by part.

    Parameters
    ----------
    path : StoragePath
        The file.
    options : TableOptions
        How it is read.
    name : str
        URI, for messages.
    """

    def __init__(self, path: StoragePath, options: TableOptions, name: str) -> None:
        self._path, self.name = path, name
        self._schema = _schema(path)
        require_few_columns(path, len(self._schema))
        self._reader = TableReader(self._schema, options, name)

    @property
    def shape(self) -> AnnotationShape:
        return self._reader.shape

    @property
    def relations(self) -> Sequence[str]:
        return tuple(self._none.relations)

    @cached_property
    def _none(self) -> Annotations:
        return self._reader.read(self._schema.empty_table(), 0)

    def batches(self) -> Iterator[Annotations]:
        """Yield all annotations; at least one part, which may be empty.

        Raises
        ------
        InvalidInput
            If an id occurs twice, at the end, or a row has no position.
        """
        first = 0
        with UniqueIds() as seen:
            for table in _rows(self._path, self._schema):
                part = self._reader.read(table, first)
                seen.add(part.ids)
                yield part
                first += len(table)
            if (repeated := seen.find_repeated()) is not None:
                raise InvalidInput(
                    f"{self.name}: rows {repeated.first} and {repeated.second} both have the id {repeated.id}; ids of "
                    "annotations must be unique: change one, or remove the column, so that rows are numbered"
                )
        if not first:
            yield self._none

    def summarise(self) -> PointsSummary:
        """Return count, properties and bounds, for which all of the table is read."""
        count, low, high = 0, np.full(3, np.inf), np.full(3, -np.inf)
        for part in self.batches():
            count += len(part)
            if len(part):
                bounds = part.bounds_nm
                low, high = np.minimum(low, bounds[:, 0].min(axis=0)), np.maximum(high, bounds[:, 1].max(axis=0))
        properties = {name: type_name(values) for name, values in self._none.properties.items()}
        bounds_nm = (tuple(low.tolist()), tuple(high.tolist())) if count else None
        return PointsSummary(count=count, properties=properties, bounds_nm=bounds_nm)

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the metadata of a Parquet file say; CSV files have none."""
        if _is_csv(self._path):
            return ()
        with self._path.open_file() as file:
            metadata = pq.read_metadata(pa.PythonFile(file, mode="r")).metadata or {}
        text = metadata.get(ATTRIBUTE.encode())
        if text is None:
            return ()
        try:
            return parse_entries(json.loads(text), f"metadata {ATTRIBUTE}")
        except (ValueError, RecursionError):
            return (Provenance.of_others(f"metadata {ATTRIBUTE}", text.decode(errors="replace")),)

    def add_provenance(self, one: Provenance) -> None:
        """Refuse: the metadata of a table are written with it.

        Raises
        ------
        ReadOnly
        """
        raise ReadOnly(f"{self.name} is a table, to which no provenance can be added")

    def ids(self) -> NDArray[np.uint64]:
        return np.sort(np.concatenate([self._none.ids, *(part.ids for part in self.batches())]))

    def get(self, ids: Iterable[int]) -> Annotations:
        wanted = np.unique(np.array(list(ids), np.uint64))
        found = self._select(lambda part: np.isin(part.ids, wanted))
        if len(found) < len(wanted):
            raise NotFound(f"{self.name} has no annotation {np.setdiff1d(wanted, found.ids)[0]}")
        return found

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        return self._select(lambda part: part.meet_box(start_nm, stop_nm))

    def related(self, relation: str, label: int) -> Annotations:
        if relation not in self.relations:
            raise UnknownName.of("relation", relation, self.relations)

        def is_related(part: Annotations) -> NDArray[np.bool_]:
            labels = Ragged.of(relation, part.relations[relation])
            return (
                np.bincount(
                    np.repeat(np.arange(len(part)), labels.counts)[labels.values == np.uint64(label)],
                    minlength=len(part),
                )
                > 0
            )

        return self._select(is_related)

    def _select(self, meets: Callable[[Annotations], NDArray[np.bool_]]) -> Annotations:
        parts = [part.select(np.flatnonzero(meets(part))) for part in self.batches()]
        return Annotations.join([self._none, *parts])


class TableWriter:
    """Writes a table: into a temporary file first, so that nothing is seen of it until it is finished.

    Parameters
    ----------
    uri : Uri
        Of the table.
    """

    def __init__(self, uri: Uri) -> None:
        self._uri = uri
        self._draft = tempfile.TemporaryFile()  # noqa: SIM115
        self._seen = UniqueIds()
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._draft.close()
        self._seen.__exit__(*error)

    def write(self, annotations: Annotations) -> None:
        require_positions(annotations, str(self._uri))
        self._seen.add(annotations.ids)
        table = to_table(annotations)
        path = _path(self._uri)
        plain = csv_columns(table) if _is_csv(path) else table
        if self._writer is None:
            self._schema = table.schema
            writer = pa.csv.CSVWriter if _is_csv(path) else pq.ParquetWriter
            self._writer = writer(self._draft, plain.schema)
        if table.schema != self._schema:
            raise InvalidInput(
                f"{self._uri}: these annotations have the columns {_describe(table.schema)}; those before had "
                f"{_describe(self._schema)}"
            )
        with storing(Path(str(path))):
            self._writer.write_table(plain)

    def finish(self, provenance: Provenance | None, part: str | None = None) -> str:
        if self._writer is None:
            raise InvalidInput(f"{self._uri}: there are no annotations to write; an empty table needs one empty part")
        if (repeated := self._seen.find_repeated()) is not None:
            raise InvalidInput(f"{self._uri}: the id {repeated.id} occurs twice; ids of annotations must be unique")
        if provenance is not None:
            self._keep(provenance)
        self._writer.close()
        stem, dot, suffix = self._uri.path.rpartition(".")
        uri = self._uri if part is None else replace(self._uri, path=f"{stem}-{part}{dot}{suffix}")
        path = _path(uri, writing=True)
        _require_free(path, uri)
        self._draft.seek(0)
        with path.create_file() as file:
            shutil.copyfileobj(self._draft, file)
        return str(uri)

    def _keep(self, provenance: Provenance) -> None:
        """Write what made the annotations into the metadata of the file."""
        if isinstance(self._writer, pq.ParquetWriter):
            self._writer.add_key_value_metadata({ATTRIBUTE: json.dumps(provenance.to_json())})
        else:
            _LOG.info("%s has no place for provenance; Parquet files have", self._uri)


def _describe(schema: pa.Schema | None) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema or ())


def _path(uri: Uri, *, writing: bool = False) -> StoragePath:
    query = {name: value for name, value in uri.query.items() if name not in _OPTIONS}
    path = storage_path(Uri(uri.scheme, uri.path, query), writing=writing)
    if not path.name.lower().endswith(SUFFIXES):
        raise UnsupportedFormat(
            f"{uri} does not end in {' or '.join(SUFFIXES)}, the tables of annotations that are known"
        )
    return path


def _require_free(path: StoragePath, uri: Uri) -> None:
    """Refuse a path with a file, which in a bucket is no folder, or with anything else."""
    if path.exists():
        raise AlreadyExists(f"{uri} already exists; choose another path, or delete it")
    path.must_be_free(str(uri))


def _options(uri: Uri) -> TableOptions:
    query: Mapping[str, str] = uri.query
    return TableOptions(
        voxel_size_nm=parse_lengths("voxel_size", query.get("voxel_size"), str(uri)),
        offset_nm=parse_position("offset", query.get("offset"), str(uri)) or (0.0, 0.0, 0.0),
        relations=tuple(filter(None, query.get("relations", "").split(","))),
    )


def _schema(path: StoragePath) -> pa.Schema:
    if _is_csv(path):
        require_few_columns(path, len(read_csv_names(path)))
        return read_csv_schema(path)
    with reading_table(f"{path} is not a readable Parquet table"), path.open_file() as file:
        return pq.read_schema(pa.PythonFile(file, mode="r"))


def _rows(path: StoragePath, schema: pa.Schema) -> Iterator[pa.Table]:
    if _is_csv(path):
        yield from read_csv(path, schema)
        return
    with reading_table(f"{path} is damaged, or cannot be read"), path.open_file() as file:
        for batch in open_parquet(file).iter_batches(_ROWS, use_threads=False):
            yield pa.Table.from_batches([batch])


def _is_csv(path: StoragePath) -> bool:
    return path.name.lower().endswith(".csv")
