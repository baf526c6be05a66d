"""Hint ``voxome:Blocks`` of a CommandLineTool: the files of a block that the program reads and writes."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from voxome.contracts.command_tool import HaloNm, Positions, Stitch, TableOutput, VolumeFile, VolumeOutput
from voxome.contracts.validation import describe_problem
from voxome.errors import UnknownName, describe_value
from voxome.workflow.cwl_subset import at, short

BLOCKS_HINT = "https://voxome.org/cwl#Blocks"
"""Class of the hint of a tool."""
_ID_COLUMNS = "iu"
_UNKNOWN_FIELD = "unexpected_keyword_argument"
"""Type of pydantic's error."""


@dataclass(frozen=True, kw_only=True)
class BlocksHint:
    """The hint, read.

    Attributes
    ----------
    halo : int, (z, y, x) or HaloNm
        Voxels, or nm, around the write box.
    block : (z, y, x), optional
        Default write box in voxels.
    version : str
        Version of the tool.
    inputs : mapping of str to VolumeFile
        Volume inputs.
    volumes : mapping of str to VolumeOutput
        Outputs that are volumes.
    tables : mapping of str to TableOutput
        Outputs that are tables.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    halo: int | tuple[int, int, int] | HaloNm = 0
    block: tuple[int, int, int] | None = None
    version: str = "1"
    inputs: dict[str, VolumeFile]
    volumes: dict[str, VolumeOutput] = field(default_factory=dict)
    tables: dict[str, TableOutput] = field(default_factory=dict)


def parse_blocks_hint(hint: Mapping[str, Any], tool: Mapping[str, Any], problems: list[str]) -> BlocksHint | None:
    """Read the hint of a tool; None, with all problems by file and line, if something is wrong.

    Parameters
    ----------
    hint, tool : mapping
        The hint and its CommandLineTool, as cwltool resolved them.
    problems : list of str
        Problems are added to it.
    """
    before = len(problems)
    content = {str(name): plain_hint(value) for name, value in hint.items() if name not in ("class", "outputs")}
    outputs = plain_hint(hint.get("outputs", []))
    if not isinstance(outputs, Mapping) or not isinstance(content.get("inputs"), Mapping) or not content["inputs"]:
        problems.append(at(hint, "class", "voxome:Blocks needs inputs and outputs: names of ports and their files"))
        return None
    split: dict[str, dict[str, Any]] = {"volumes": {}, "tables": {}}
    for name, one in outputs.items():
        is_table = isinstance(one, Mapping) and one.get("kind") == "table"
        split["tables" if is_table else "volumes"][name] = {**one, "kind": None} if is_table else one
        if is_table:
            del split["tables"][name]["kind"]
    for one in split["tables"].values():
        one["key"] = _names(one.get("key"))
    read = _validated({**content, **split}, hint, problems)
    problems += [at(_part(hint, path), path[-1], text) for path, text in _inconsistencies(read, tool)]
    return read if len(problems) == before else None


def _validated(content: Mapping[str, Any], hint: Mapping[str, Any], problems: list[str]) -> BlocksHint:
    """Return the hint, with stand-ins for its parts that have problems, so that the others can be checked, too."""
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(BlocksHint)
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        seen, wrong, known = set(), set(), copy.deepcopy(dict(content))
        for one in error.errors():
            path = tuple(str(part) for part in one["loc"])
            path = ("outputs", *path[1:]) if path[0] in ("volumes", "tables") else path
            path = path[:1] if path[0] in ("halo", "block") else path
            if one["type"] == _UNKNOWN_FIELD and path[0] != "halo":
                _remove(known, one["loc"])
            else:
                wrong.add(path[:2])
            if path not in seen:
                seen.add(path)
                problems.append(at(_part(hint, path), path[-1], _sentence(path, one, content)))
        return adapter.validate_python(_replaced(known, wrong))


def _remove(content: Any, path: Sequence[Any]) -> None:
    """Remove the field at `path` of the content of the hint."""
    for name in path[:-1]:
        content = content[name]
    content.pop(path[-1], None)


def _replaced(content: Mapping[str, Any], wrong: Collection[Sequence[str]]) -> dict[str, Any]:
    """Return the content of the hint with stand-ins, of which no problem follows, for some of its parts."""
    names = {group: {path[1] for path in wrong if path[0] == group} for group in ("inputs", "outputs")}
    tops = {path[0] for path in wrong} - names.keys()
    replaced = {name: value for name, value in content.items() if name not in tops}
    if "halo" in tops:
        replaced["halo"] = 1
    volume, table = {"format": "npy", "kind": "labels"}, {"format": "csv", "columns": {"id": "int64"}}
    replaced["inputs"] = {name: volume if name in names["inputs"] else one for name, one in content["inputs"].items()}
    replaced["volumes"] = {name: one for name, one in content["volumes"].items() if name not in names["outputs"]}
    replaced["tables"] = content["tables"] | dict.fromkeys(names["outputs"], table)
    return replaced


def _sentence(path: Sequence[str], error: Any, content: Mapping[str, Any]) -> str:
    """Return what is wrong at `path` of the hint."""
    where = f"voxome:Blocks, {'.'.join(path)}"
    if path == ("halo",):
        return f"{where} is {content['halo']!r}; expected voxels, as 8 or [8, 8, 8] (z, y, x), or {{nm: [80, 80, 80]}}"
    if path == ("block",):
        return f"{where} is {content['block']!r}; expected three voxels, as [64, 64, 64] (z, y, x)"
    if error["type"] == _UNKNOWN_FIELD:
        return str(
            UnknownName.of(f"field of {'.'.join(['voxome:Blocks', *path[:-1]])}", path[-1], _fields(path, content))
        )
    if error["type"] == "missing":
        return f"{where} is missing"
    return f"{where} is {describe_value(error['input'])}: {describe_problem(error)}"


def _fields(path: Sequence[str], content: Mapping[str, Any]) -> list[str]:
    """Return the fields that the part of the hint has in which the last name of `path` stands."""
    if len(path) == 1:
        return ["halo", "block", "version", "inputs", "outputs"]
    if len(path) > 3:
        return [one.name for one in fields({"stitch": Stitch}.get(path[2], Positions))]
    if path[0] == "inputs":
        return [one.name for one in fields(VolumeFile)]
    if path[1] in content["tables"]:
        return [*(one.name for one in fields(TableOutput)), "kind"]
    return [one.name for one in fields(VolumeOutput)]


def _inconsistencies(hint: BlocksHint, tool: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path in the hint and the problem of everything that does not fit together."""
    if hint.block is not None and min(hint.block) < 1:
        yield ("block",), f"voxome:Blocks, block is {list(hint.block)}; expected at least 1 voxel along every axis"
    if _halo(hint) is None:
        yield ("halo",), f"voxome:Blocks, halo is {hint.halo!r}; expected lengths of at least 0"
    for group, files in (("inputs", hint.inputs), ("outputs", {**hint.volumes, **hint.tables})):
        types = {short(port["id"]): port["type"] for port in tool[group]}
        for name in files:
            if name not in types:
                yield (group, name), str(UnknownName.of(f"{group[:-1]} of the tool", name, types))
        for name in types.keys() - files.keys() if group == "outputs" else ():
            yield (group,), f"voxome:Blocks says nothing of the output {name!r}; name its format and kind under outputs"
    for name, one in hint.inputs.items():
        yield from ((("inputs", name), text) for text in _file_problems(f"input {name!r}", one))
    for name, output in hint.volumes.items():
        yield from ((("outputs", name), text) for text in _file_problems(f"output {name!r}", output))
        yield from ((("outputs", name), text) for text in _output_problems(f"output {name!r}", output, hint))
    for name, table in hint.tables.items():
        yield from ((("outputs", name), text) for text in _table_problems(f"output {name!r}", table, hint))


def _file_problems(what: str, file: VolumeFile) -> Iterator[str]:
    letters = file.axes.replace("1", "")
    if sorted(letters.replace("c", "")) != ["x", "y", "z"] or letters.count("c") > 1:
        yield f"{what} has the axes {file.axes!r}; expected z, y and x in any order, c for channels, 1 for no axis"
    if "c" in letters and file.kind == "labels":
        yield f"{what} has channels, which labels cannot have"
    if file.dtype is not None and not _is_number(file.dtype):
        yield f"{what} has the dtype {file.dtype!r}; expected one of numbers, such as uint8, uint64, float32"
    if (file.dataset is None) == (file.format == "hdf5"):
        yield f"{what} needs the name of its dataset" if file.dataset is None else f"{what}: only hdf5 has a dataset"


def _output_problems(what: str, output: VolumeOutput, hint: BlocksHint) -> Iterator[str]:
    if output.kind != "labels":
        if output.dtype is None:
            yield f"{what} needs its dtype"
        if output.stitch is not None or output.ids is not None:
            yield f"{what} has stitch or ids, which are for kind: labels"
    elif (output.stitch is None) == (output.ids is None):
        yield (
            f"{what} has labels: say how those of blocks are joined (stitch: {{rule: overlap}}, touching or none), or "
            "whose labels they are (ids: INPUT)"
        )
    if ("c" in output.axes) != (output.channels is not None):
        yield f"{what} needs channels, the length of the axis c, if it has one"
    if output.ids is not None:
        yield from _ids_problems(what, output.ids, hint)
    if output.stitch is not None and not 0 < output.stitch.fraction <= 1:
        yield f"{what} has the fraction {output.stitch.fraction:g}; expected more than 0, at most 1"
    if output.stitch is not None and output.stitch.rule == "overlap" and (output.extent != "read" or not _halo(hint)):
        yield f"{what} is joined by overlap, for which blocks need a halo and the output extent: read"


def _table_problems(what: str, table: TableOutput, hint: BlocksHint) -> Iterator[str]:
    columns = table.columns
    if table.positions is not None:
        axes = table.positions.axes or "".join(table.positions.columns)
        if sorted(axes) != ["x", "y", "z"]:
            yield f"{what}: say which axis each of the columns {', '.join(table.positions.columns)} has, as axes: xyz"
        columns = {**dict.fromkeys(table.positions.columns, "float64"), **columns}
    if not columns:
        yield f"{what} needs columns: their names and dtypes"
    for name, dtype in columns.items():
        if not _is_number(dtype):
            yield f"{what}: column {name!r} has the dtype {dtype!r}; expected one of numbers, such as int64, float64"
    for name in {*table.key, *table.fold, *table.ids} - columns.keys():
        yield str(UnknownName.of(f"column of the {what}", name, columns))
    for name in table.key:
        if name in columns and _is_number(columns[name]) and np.dtype(columns[name]).kind not in _ID_COLUMNS:
            yield f"{what}: the key {name!r} is {columns[name]}; expected whole numbers, such as int64"
    rest = columns.keys() - set(table.key)
    if table.fold and table.fold.keys() != rest:
        yield f"{what}: fold names {', '.join(sorted(table.fold))}; it must name {', '.join(sorted(rest))}"
    for name, how in table.fold.items():
        dtype = columns.get(name, "int64")
        if how == "sum" and _is_number(dtype) and np.dtype(dtype).kind not in _ID_COLUMNS:
            yield f"{what}: column {name!r} is {columns[name]}; only whole numbers can be summed over blocks"
    for source in table.ids.values():
        yield from _ids_problems(what, source, hint)


def _ids_problems(what: str, source: str, hint: BlocksHint) -> Iterator[str]:
    labels = [name for name, one in hint.inputs.items() if one.kind == "labels"]
    if source not in labels:
        yield str(UnknownName.of(f"input of labels, of which the {what} has the ids,", source, labels))


def _halo(hint: BlocksHint) -> float | None:
    """Return the largest side of the halo; None if one is negative."""
    sides = hint.halo.nm if isinstance(hint.halo, HaloNm) else hint.halo
    lengths = (sides,) if isinstance(sides, int) else sides
    return None if min(lengths) < 0 else max(lengths)


def _is_number(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in "biuf"
    except (TypeError, ValueError, SyntaxError):
        return False


def _names(value: object) -> object:
    """Return the columns of a key: none, one, or several."""
    return () if value is None else (value,) if isinstance(value, str) else value


def plain_hint(value: Any) -> Any:
    """Return a part of the hint as plain Python: mappings of ports, which cwltool turns into lists, among them."""
    if isinstance(value, Mapping):
        plain = {str(name): plain_hint(one) for name, one in value.items() if name != "id"}
        if isinstance(plain.get("format"), str):
            plain["format"] = short(plain["format"])
        return plain
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(one, Mapping) and "id" in one for one in value):
            return {short(one["id"]): plain_hint(one) for one in value}
        return [plain_hint(one) for one in value]
    return value


def _part(hint: Any, path: Sequence[str]) -> Any:
    """Return the innermost part of the hint that has the last name of `path`, for its line."""
    part, inner = hint, hint
    for name in path[:-1]:
        if isinstance(inner, Mapping):
            inner = inner.get(name)
        elif isinstance(inner, Sequence):
            inner = next((one for one in inner if isinstance(one, Mapping) and short(one.get("id", "")) == name), None)
        if not isinstance(inner, Mapping):
            if inner is None:
                break
            continue
        part = inner
    return part
