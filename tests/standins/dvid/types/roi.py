"""Regions of interest: runs of blocks along x."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, as_json, done, octets
from standins.dvid.instances import Instance, route, triple
from standins.dvid.types.partition import EMPTY_Z, Span, partition
from standins.dvid.types.partition_by_need import optimized
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import Region, assemble, region

if TYPE_CHECKING:
    from standins.dvid.repos import Repo


class Roi(Instance):
    """Runs of blocks, kept as they were sent, in order."""

    typename, source = "roi", "roi"

    def create(self, options: Mapping[str, str]) -> None:
        """Read the options of its creation."""
        x, y, z = map(int, triple(options, "blocksize", 32))
        self.block_size: Xyz = (x, y, z)
        self._spans: Versioned[str, tuple[Span, ...]] = Versioned()
        self._z = EMPTY_Z

    def extended(self) -> dict[str, Any]:
        """What ``/info`` tells beyond the common part."""
        return {"BlockSize": self.block_size, "MinZ": self._z[0], "MaxZ": self._z[1]}

    def spans(self, node: Node) -> tuple[Span, ...]:
        """The runs that a version sees: z, y, first x, last x."""
        return self._spans.get(node, "") or ()

    def blocks(self, node: Node) -> set[Xyz]:
        """The places of its blocks."""
        return {(x, y, z) for z, y, first, last in self.spans(node) for x in range(first, last + 1)}

    def mask(self, node: Node, asked_for: Region) -> NDArray[np.bool_]:
        """Where a region lies in it, as a (z, y, x) array."""
        blocks, full = self.blocks(node), np.ones(self.block_size[::-1], bool)
        return assemble(asked_for, self.block_size, bool, lambda place: full if place in blocks else None)

    def contains(self, node: Node, points: Iterable[Iterable[int]]) -> list[bool]:
        """Which points lie inside."""
        blocks = self.blocks(node)
        return [tuple(n // b for n, b in zip(at, self.block_size, strict=True)) in blocks for at in points]

    @route("GET", "roi")
    def get_roi(self, node: Node, call: Call) -> Response:
        """All runs."""
        return as_json(self.spans(node))

    @route("POST", "roi")
    def post_roi(self, node: Node, call: Call) -> Response:
        """Take other runs in place of those before, which a refused request erases as well."""
        spans = call.json(list[list[int]], "Error trying to parse POSTed JSON: ")
        self.delete_roi(node, call)
        checked = sorted({_checked(span) for span in spans})
        self._spans.put(node, "", tuple(checked))
        if checked:
            self._z = checked[0][0], checked[-1][0]
        return done()

    @route("DELETE", "roi")
    def delete_roi(self, node: Node, call: Call) -> Response:
        """Forget all runs."""
        self._spans.put(node, "", ())
        self._z = EMPTY_Z
        return done()

    @route("GET", "mask")
    def get_mask(self, node: Node, call: Call) -> Response:
        """A volume of ones inside, zeros outside, a byte a voxel."""
        if call.part(1) != "0_1_2":
            raise Refusal("Currently only 3d masks ('0_1_2' shape) is supported")
        return octets(self.mask(node, region(call.part(2), call.part(3))).tobytes())

    @route("POST", "ptquery", reads=True)
    def query(self, node: Node, call: Call) -> Response:
        """Which points lie inside."""
        return as_json(self.contains(node, call.points()))

    @route("GET", "partition")
    def get_partition(self, node: Node, call: Call) -> Response:
        """Cubes of blocks that cover it."""
        batch = call.query.get("batchsize", "")
        if not batch.isdigit() or not int(batch):
            raise Refusal(f'Error reading batchsize query string: "{batch}"')
        cover = optimized if call.flag("optimized", "on") else partition
        return as_json(cover(self.spans(node), int(batch), self.block_size))


def roi_of(repo: Repo, node: Node, text: str) -> tuple[Roi, Node]:
    """The ROI, and the version, that ``name`` or ``name,uuid`` means."""
    name, comma, uuid = text.partition(",")
    roi = repo.instance(name)
    if not isinstance(roi, Roi):
        raise Refusal(f'"{roi.name}" is not an ROI')
    version = repo.version(uuid) if comma else node
    return roi, version if roi.versioned else repo.root


def _checked(span: list[int]) -> Span:
    z, y, first, last = (span + [0] * 4)[:4]
    if last < first:
        shown = ", ".join(map(str, (z, y, first, last)))
        raise Refusal(f"Got weird span [{shown}].  span[3] (X1) < span[2] (X0)")
    return z, y, first, last
