"""One file per supervoxel, downloaded as one tar archive per body."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Refusal, binary_response, empty_response, json_response, unsigned
from standins.dvid.instances import Synced, route
from standins.dvid.types.keyvalue import tar
from standins.dvid.types.labelmap.instance import LabelMap
from standins.dvid.versions import Node, Versioned


class TarSupervoxels(Synced):
    """Files by supervoxel."""

    typename, source = "tarsupervoxels", "tarsupervoxels"

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation."""
        self.extension = options.get("extension", "dat")
        self.files: Versioned[int, bytes] = Versioned()

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {"Extension": self.extension}

    @route("GET HEAD", "supervoxel")
    def get_supervoxel(self, node: Node, call: Call) -> Response:
        """Return one file."""
        content = self.files.get(node, call.number(1))
        if content is None:
            raise Refusal(f"Supervoxel {call.number(1)} not found", 404, bare=True)
        return binary_response(content)

    @route("POST", "supervoxel")
    def post_supervoxel(self, node: Node, call: Call) -> Response:
        """Store one file."""
        self.files.put(node, call.number(1), call.body)
        return empty_response()

    @route("DELETE", "supervoxel")
    def delete_supervoxel(self, node: Node, call: Call) -> Response:
        """Delete one file."""
        self.files.delete(node, call.number(1))
        return empty_response()

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
        return empty_response()

    def files_of_body(self, node: Node, label: int) -> dict[int, bytes | None]:
        """Return the files of a body's supervoxels, None for those without one."""
        labels = self.synced(LabelMap)
        if labels is None:
            raise Refusal(f'no labels are synced with "{self.name}"')
        index = labels.bodies.get(node, label)
        if index is None or not index.blocks:
            raise Refusal(f"can't send tarfile for label {label}: label {label} has no supervoxels")
        return {supervoxel: self.files.get(node, supervoxel) for supervoxel in index.supervoxels}

    @route("GET", "tarfile")
    def get_tarfile(self, node: Node, call: Call) -> Response:
        """Return the files of a body; missing ones are empty with the extension ``missing``."""
        files = self.files_of_body(node, call.number(1))
        names = {sv: "missing" if content is None else self.extension for sv, content in files.items()}
        return tar({f"{sv}.{names[sv]}": content or b"" for sv, content in files.items()})

    @route("HEAD", "tarfile")
    def head_tarfile(self, node: Node, call: Call) -> Response:
        """Respond with success if no file of a body is missing."""
        if None in self.files_of_body(node, call.number(1)).values():
            raise Refusal("some supervoxels have no file")
        return empty_response()

    @route("GET", "missing")
    def get_missing(self, node: Node, call: Call) -> Response:
        """Return the supervoxels of a body without a file."""
        return json_response(
            [sv for sv, content in self.files_of_body(node, call.number(1)).items() if content is None]
        )

    @route("GET", "exists")
    def get_exists(self, node: Node, call: Call) -> Response:
        """Return whether each supervoxel in the request has a file."""
        return json_response([self.files.get(node, supervoxel) is not None for supervoxel in call.json(Ids)])
