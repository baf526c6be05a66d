"""Labels that DVID had between labelblk and labelmap, without their index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from standins.dvid.calls import Call, ServerEnded, binary_response
from standins.dvid.codecs import compression, label_block
from standins.dvid.instances import route
from standins.dvid.types.labelblk import LabelBlocks
from standins.dvid.types.volumes import VolumeInstance
from standins.dvid.versions import Node
from standins.dvid.voxels import check_aligned, parse_raw_path, parse_region


class LabelArray(LabelBlocks):
    """64-bit labels in native blocks."""

    typename, source, compression = "labelarray", "labelarray", "gzip compression, level -1"
    default_block: ClassVar[int] = 64

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation."""
        super().create(options)
        self.max_level = int(options.get("maxdownreslevel", "0"))

    @property
    def value_label(self) -> str:
        """Name of its values."""
        return "labelarray"

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        index = {"MaxLabel": {}, "MaxRepoLabel": 0, "IndexedLabels": True, "CountLabels": True}
        return {**super().extended(), **index, "MaxDownresLevel": self.max_level}

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``/info``."""
        return VolumeInstance.as_json(self)

    @route("POST", "raw")
    def post_raw(self, node: Node, call: Call) -> Response:
        """Store whole blocks; with ``mutate``, the real server ends if one of them does not exist."""
        region, _ = parse_raw_path(call)
        if call.flag("mutate") and any(self.blocks.get(node, at) is None for at in region.blocks(self.block_size)):
            raise ServerEnded(f"mutate of a block of {self.name} that does not exist")
        return super().post_raw(node, call)

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """Return the existing blocks of an aligned region, as native blocks whatever the compression."""
        region = parse_region(call.part(1), call.part(2))
        check_aligned(region, self.block_size, "cannot use labels via 'blocks' endpoint")
        stored = ((at, self.blocks.get(node, at)) for at in region.blocks(self.block_size))
        records = (
            compression.encode_record(at, compression.gzip_encode(label_block.encode(block)))
            for at, block in stored
            if block is not None
        )
        return binary_response(b"".join(records))

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Refuse the request, which labelarrays do not have."""
        raise self.unknown(call)
