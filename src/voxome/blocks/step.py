"""A step of a run: a tool bound to its inputs, parameters and blocks, as JSON values for workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from voxome.blocks.command.tool import CommandTool
from voxome.contracts.command_tool import CommandDefinition
from voxome.contracts.formats import STEP
from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE, Handle, within
from voxome.contracts.id_groups import count_groups
from voxome.contracts.json_text import json_text
from voxome.contracts.kinds import Kind, Target
from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.contracts.tool import Tool, ToolSpec
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import region_grids
from voxome.registry import load
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

FOLD = -1
"""The phase that folds the parts of a step."""
JOBS_PER_STEP = 4096
"""A step is cut into at most about this many jobs, so that its ledger and its parts do not grow with the volume."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One tool bound to its inputs, parameters and blocks.

    Attributes
    ----------
    name : str
        Its name in the workflow; those of a sub-workflow are ``outer.inner``.
    tool : str
        Name of the tool in the registry.
    version : str
        Version of the tool.
    parameters : mapping
        All parameters of the tool.
    inputs : mapping of str to Handle
        Handles of its inputs.
    frame : Frame or None
        Its voxels; None for a tool of whole tables without any.
    block : (z, y, x)
        Write box in voxels.
    home : str
        Folder that contains its folder.
    published : mapping of str to str
        Outputs that are results of the run → their paths without extension, below the store.
    into : mapping of str to str
        Outputs that are written into existing arrays → URIs of these.
    digest : str
        Digest of what the tool runs (its source code); a worker with another one refuses the step.
    program : mapping, optional
        Definition of a tool that is a foreign program, as `CommandDefinition.to_json` returns it; such a tool is not in
        the registry.
    """

    name: str
    tool: str
    version: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Handle]
    frame: Frame | None = None
    block: tuple[int, int, int] = (64, 128, 128)
    home: str = STORE
    published: Mapping[str, str] = field(default_factory=dict)
    into: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    program: Mapping[str, Any] | None = None

    @cached_property
    def tool_object(self) -> Tool:
        """The tool that the step runs."""
        if self.program is not None:
            return CommandTool(CommandDefinition.from_json(self.program))
        tool: Tool = load("voxome.tools", self.tool)
        return tool

    @property
    def spec(self) -> ToolSpec:
        """Inputs and outputs of the tool."""
        return self.tool_object.spec

    @cached_property
    def key(self) -> str:
        """Digest of what decides the result: tool, version, source, parameters, keys of the inputs, frame and block."""
        decisive = {
            "tool": self.tool,
            "version": self.version,
            "digest": self.digest,
            "parameters": dict(self.parameters),
            "inputs": {name: [h.key or h.uri, h.box, h.voxel_size_nm] for name, h in sorted(self.inputs.items())},
            "frame": None if self.frame is None else frame_json(self.frame),
            "block": self.block,
            **({"into": dict(self.into)} if self.into else {}),
        }
        text = json_text(decisive, f"step {self.name}", sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """Folder of its intermediate data, and of results that are not published."""
        return f"{self.home}/{self.name}-{self.key}"

    @cached_property
    def phases(self) -> tuple[BlockGrid | None, ...]:
        """Grids of blocks that run one after the other; ``(None,)`` for a tool of whole tables.

        Blocks start at the corner of the box, as the chunks of the arrays that it writes do, or at that of existing
        arrays. A tree of regions has the blocks first, then regions of twice the size along every axis until one covers
        all. Groups of ids are a grid of one "voxel" each, along the first axis.
        """
        if self.frame is None or self.spec.scope == "whole":
            return (None,)
        if self.spec.scope == "groups":
            return (BlockGrid(Box.of_shape((count_groups(self.frame.box.size), 1, 1)), (1, 1, 1)),)
        domain, box = self.frame.domain, self.frame.box
        halo = self.spec.compute_halo(self.parameters, self.frame.scale_nm)
        anchor = (domain if self.into else box).snap(self.spec.compute_scale(self.parameters)).start
        blocks = BlockGrid(domain, self.block, box, halo, anchor)
        return (blocks, *(region_grids(box, self.block)[1:] if self.spec.scope == "regions" else ()))

    def blocks(self, phase: int) -> int:
        """Return the number of blocks of a phase."""
        grid = self.phases[phase]
        return 1 if grid is None else len(grid)

    @property
    def total(self) -> int:
        """Number of blocks; a tool of whole tables has one."""
        return sum(self.blocks(phase) for phase in range(len(self.phases)))

    def span(self, phase: int) -> int:
        """Return the number of blocks of a job of a phase."""
        return -(-self.blocks(phase) // JOBS_PER_STEP)

    def jobs(self, phase: int) -> int:
        """Return the number of jobs of a phase; job *i* has the blocks from ``i * span`` on."""
        return -(-self.blocks(phase) // self.span(phase))

    def is_unbounded(self, phase: int) -> bool:
        """Whether a job sees the objects of the whole volume: a fold, a tool of whole tables, the last region."""
        return phase == FOLD or (self.spec.scope != "block" and self.jobs(phase) == 1)

    def output(self, name: str) -> Handle:
        """Return the handle of the output `name`."""
        kind, frame = self.spec.outputs[name], self.frame
        handle = Handle(kind.type, self._location(name), f"{self.key}/{name}")
        if frame is None:
            return handle
        whole = kind.output_spec(replace(frame, box=frame.domain), self.block, self.parameters)
        part = kind.output_spec(frame, self.block, self.parameters)
        if whole is None or part is None:
            return replace(
                handle,
                box=str(frame.box),
                voxel_size_nm=frame.voxel_size_nm,
                domain=str(frame.domain),
                offset_nm=frame.offset_nm,
            )
        domain = None if part.frame == whole.frame else str(whole.frame)
        return replace(handle, box=str(part.frame), voxel_size_nm=part.voxel_size_nm, domain=domain)

    def _location(self, name: str) -> str:
        """Return the URI or address of the output `name`."""
        base = f"{STORE}/{self.published[name]}" if name in self.published else f"{self.folder}/{name}"
        return self.into.get(name) or self.spec.outputs[name].location(base)

    def targets(self, store: str) -> Iterator[tuple[Kind, Target]]:
        """Yield the kind of every output, and where it is kept in `store`."""
        grids = tuple(grid for grid in self.phases if grid is not None)
        for name, kind in self.spec.outputs.items():
            yield (
                kind,
                Target(
                    name=name,
                    tool=self.tool,
                    uri=within(self._location(name), store),
                    folder=within(self.folder, store),
                    step=self.name,
                    key=self.key,
                    frame=self.frame,
                    block=self.block,
                    parameters=self.parameters,
                    grids=grids,
                    spans=tuple(self.span(phase) for phase in range(len(grids))),
                    existing=name in self.into,
                ),
            )

    def provenance(self, run: str | None, outside: Mapping[str, Handle]) -> Provenance:
        """Return the provenance of its outputs, which are made now.

        Parameters
        ----------
        run : str or None
            Id of their run.
        outside : mapping of str to Handle
            Inputs of the run from outside it, which stand for what steps before have computed.
        """
        own = {name: handle for name, handle in self.inputs.items() if STORE not in handle.uri}
        inputs = own if len(own) == len(self.inputs) else {**outside, **own}
        records = [InputRecord(name, one.uri, _version_of(one)) for name, one in inputs.items()]
        part = {} if self.frame is None or self.frame.box == self.frame.domain else {"box": str(self.frame.box)}
        return Provenance.now("run", LOCAL, self.tool, self.version, {**self.parameters, **part}, records, run)

    def file(self, store: str) -> StoragePath:
        """Return the path of its JSON document, which workers read, in `store`."""
        return storage_at(within(self.folder, store)) / "step.json"

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON values, marked with their format."""
        content = {
            "name": self.name,
            "tool": self.tool,
            "version": self.version,
            "parameters": dict(self.parameters),
            "inputs": {name: handle.to_json() for name, handle in self.inputs.items()},
            "frame": None if self.frame is None else frame_json(self.frame),
            "block": list(self.block),
            "home": self.home,
            "published": dict(self.published),
            "into": dict(self.into),
            "digest": self.digest,
            "program": None if self.program is None else dict(self.program),
        }
        return STEP.stamp(content)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: object = "a step") -> Step:
        """Return the step that `to_json` wrote; `where` is its file, for messages.

        Raises
        ------
        UnsupportedFormat
            If it is of another version.
        """
        data = STEP.content(data, where)
        return cls(
            name=data["name"],
            tool=data["tool"],
            version=data["version"],
            parameters=data["parameters"],
            inputs={name: Handle.from_json(handle) for name, handle in data["inputs"].items()},
            frame=None if data["frame"] is None else frame_of_json(data["frame"]),
            block=(data["block"][0], data["block"][1], data["block"][2]),
            home=data["home"],
            published=data["published"],
            into=data["into"],
            digest=data["digest"],
            program=data["program"],
        )


def _version_of(handle: Handle) -> str | None:
    """Return the version of an input, without its address."""
    return handle.key.removeprefix(handle.uri).strip() or None


def inputs_from_outside(steps: Iterable[Step]) -> dict[str, Handle]:
    """Return the inputs of steps that no other step computes, by the names of the first tools that take them."""
    found: dict[str, Handle] = {}
    for step in steps:
        for name, handle in step.inputs.items():
            if STORE not in handle.uri and handle not in found.values():
                found.setdefault(name, handle)
    return found


def frame_json(frame: Frame) -> dict[str, Any]:
    """Return a frame as JSON values."""
    return {
        "domain": str(frame.domain),
        "box": str(frame.box),
        "voxel_size_nm": frame.voxel_size_nm and list(frame.voxel_size_nm),
        "offset_nm": list(frame.offset_nm),
    }


def frame_of_json(data: Mapping[str, Any]) -> Frame:
    """Return the frame of `frame_json`."""
    size = data["voxel_size_nm"]
    return Frame(
        Box.parse(data["domain"]),
        Box.parse(data["box"]),
        tuple(size) if size else None,
        tuple(data["offset_nm"]),
    )
