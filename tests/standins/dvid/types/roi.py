"""Regions of interest: runs of blocks along x."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, binary_response, empty_response, json_response
from standins.dvid.instances import Instance, route, triple
from standins.dvid.types.optimized_partition import optimized_partition
from standins.dvid.types.partition import EMPTY_Z, Span, partition
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import Region, assemble, parse_region

if TYPE_CHECKING:
    from standins.dvid.repos import Repo


class Roi(Instance):
    """Runs of blocks, stored as they were sent, sorted."""

    typename, source = "roi", "roi"

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation."""
        x, y, z = map(int, triple(options, "blocksize", 32))
        self.block_size: Xyz = (x, y, z)
        self._spans: Versioned[str, tuple[Span, ...]] = Versioned()
        self._z = EMPTY_Z

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {"BlockSize": self.block_size, "MinZ": self._z[0], "MaxZ": self._z[1]}

    def spans(self, node: Node) -> tuple[Span, ...]:
        """Return the runs in a version: z, y, first x, last x."""
        return self._spans.get(node, "") or ()

    def blocks(self, node: Node) -> set[Xyz]:
        """Return the coordinates of its blocks."""
        return {(x, y, z) for z, y, first, last in self.spans(node) for x in range(first, last + 1)}

    def mask(self, node: Node, region: Region) -> NDArray[np.bool_]:
        """Return its (z, y, x) mask in a region."""
        blocks, full = self.blocks(node), np.ones(self.block_size[::-1], bool)
        return assemble(region, self.block_size, bool, lambda coord: full if coord in blocks else None)

    def contains(self, node: Node, points: Iterable[Iterable[int]]) -> list[bool]:
        """Return whether each point is inside."""
        blocks = self.blocks(node)
        return [tuple(n // b for n, b in zip(at, self.block_size, strict=True)) in blocks for at in points]

    @route("GET", "roi")
    def get_roi(self, node: Node, call: Call) -> Response:
        """Return all runs."""
        return json_response(self.spans(node))

    @route("POST", "roi")
    def post_roi(self, node: Node, call: Call) -> Response:
        """Replace the runs; a refused request erases the old ones, too."""
        spans = call.json(list[list[int]], "Error trying to parse POSTed JSON: ")
        self.delete_roi(node, call)
        sorted_spans = sorted({_parse_span(span) for span in spans})
        self._spans.put(node, "", tuple(sorted_spans))
        if sorted_spans:
            self._z = sorted_spans[0][0], sorted_spans[-1][0]
        return empty_response()

    @route("DELETE", "roi")
    def delete_roi(self, node: Node, call: Call) -> Response:
        """Delete all runs."""
        self._spans.put(node, "", ())
        self._z = EMPTY_Z
        return empty_response()

    @route("GET", "mask")
    def get_mask(self, node: Node, call: Call) -> Response:
        """Return a volume of ones inside and zeros outside, one byte per voxel."""
        if call.part(1) != "0_1_2":
            raise Refusal("Currently only 3d masks ('0_1_2' shape) is supported")
        return binary_response(self.mask(node, parse_region(call.part(2), call.part(3))).tobytes())

    @route("POST", "ptquery", reads=True)
    def query(self, node: Node, call: Call) -> Response:
        """Return whether each point is inside."""
        return json_response(self.contains(node, call.points()))

    @route("GET", "partition")
    def get_partition(self, node: Node, call: Call) -> Response:
        """Return cubes of blocks that cover it."""
        batch = call.query.get("batchsize", "")
        if not batch.isdigit() or not int(batch):
            raise Refusal(f'Error reading batchsize query string: "{batch}"')
        cover = optimized_partition if call.flag("optimized", "on") else partition
        return json_response(cover(self.spans(node), int(batch), self.block_size))


def find_roi(repo: Repo, node: Node, text: str) -> tuple[Roi, Node]:
    """Return the ROI and the version of ``name`` or ``name,uuid``."""
    name, comma, uuid = text.partition(",")
    roi = repo.instance(name)
    if not isinstance(roi, Roi):
        raise Refusal(f'"{roi.name}" is not an ROI')
    version = repo.version(uuid) if comma else node
    return roi, version if roi.versioned else repo.root


def _parse_span(span: list[int]) -> Span:
    z, y, first, last = (span + [0] * 4)[:4]
    if last < first:
        shown = ", ".join(map(str, (z, y, first, last)))
        raise Refusal(f"Got weird span [{shown}].  span[3] (X1) < span[2] (X0)")
    return z, y, first, last
