"""A file a supervoxel, handed out as a tar archive a body."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Refusal, as_json, done, octets, unsigned
from standins.dvid.instances import Synced, route
from standins.dvid.types.keyvalue import tar
from standins.dvid.types.labelmap.instance import LabelMap
from standins.dvid.versions import Node, Versioned


class TarSupervoxels(Synced):
    """Files by supervoxel."""

    typename, source = "tarsupervoxels", "tarsupervoxels"

    def create(self, options: Mapping[str, str]) -> None:
        """Read the options of its creation."""
        self.extension = options.get("extension", "dat")
        self.files: Versioned[int, bytes] = Versioned()

    def extended(self) -> dict[str, Any]:
        """What ``/info`` tells beyond the common part."""
        return {"Extension": self.extension}

    @route("GET HEAD", "supervoxel")
    def get_supervoxel(self, node: Node, call: Call) -> Response:
        """One file."""
        content = self.files.get(node, call.number(1))
        if content is None:
            raise Refusal(f"Supervoxel {call.number(1)} not found", 404, bare=True)
        return octets(content)

    @route("POST", "supervoxel")
    def post_supervoxel(self, node: Node, call: Call) -> Response:
        """Store one file."""
        self.files.put(node, call.number(1), call.body)
        return done()

    @route("DELETE", "supervoxel")
    def delete_supervoxel(self, node: Node, call: Call) -> Response:
        """Forget one file."""
        self.files.delete(node, call.number(1))
        return done()

    @route("POST", "load")
    def load(self, node: Node, call: Call) -> Response:
        """Store the files of a tar archive, named by supervoxel."""
        try:
            with tarfile.open(fileobj=io.BytesIO(call.body)) as archive:
                files = {member.name: archive.extractfile(member) for member in archive}
                contents = {name: file.read() for name, file in files.items() if file}
        except tarfile.TarError as error:
            raise Refusal(f"the body is not a tar archive: {error}") from None
        for name, content in contents.items():
            number, _, extension = name.partition(".")
            if extension != self.extension:
                raise Refusal(f'file "{name}" is not named SUPERVOXEL.{self.extension}')
            self.files.put(node, unsigned(number), content)
        return done()

    def of_body(self, node: Node, label: int) -> dict[int, bytes | None]:
        """The files of a body's supervoxels; nothing for those that have none."""
        labels = self.followed(LabelMap)
        if labels is None:
            raise Refusal(f'no labels are synced with "{self.name}"')
        index = labels.bodies.get(node, label)
        if index is None or not index.blocks:
            raise Refusal(f"can't send tarfile for label {label}: label {label} has no supervoxels")
        return {supervoxel: self.files.get(node, supervoxel) for supervoxel in index.supervoxels}

    @route("GET", "tarfile")
    def get_tarfile(self, node: Node, call: Call) -> Response:
        """The files of a body; those that are missing are empty and called so."""
        files = self.of_body(node, call.number(1))
        names = {sv: "missing" if content is None else self.extension for sv, content in files.items()}
        return tar({f"{sv}.{names[sv]}": content or b"" for sv, content in files.items()})

    @route("HEAD", "tarfile")
    def head_tarfile(self, node: Node, call: Call) -> Response:
        """Whether no file of a body is missing."""
        if None in self.of_body(node, call.number(1)).values():
            raise Refusal("some supervoxels have no file")
        return done()

    @route("GET", "missing")
    def get_missing(self, node: Node, call: Call) -> Response:
        """The supervoxels of a body that have no file."""
        return as_json([sv for sv, content in self.of_body(node, call.number(1)).items() if content is None])

    @route("GET", "exists")
    def get_exists(self, node: Node, call: Call) -> Response:
        """Which of the supervoxels in the body of the request have a file."""
        return as_json([self.files.get(node, supervoxel) is not None for supervoxel in call.json(Ids)])
