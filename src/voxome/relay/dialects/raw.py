"""A plain dialect for scripts: sources as JSON and npy.

========================================  ==========================================================
``GET /raw``                              names of the sources that the caller may read
``GET /raw/NAME/info[?level=N]``          JSON: shape and meaning of a level
``GET /raw/NAME/cutout?box=…[&level=N]``  the voxels of a box, as npy
``PUT /raw/NAME/cutout?box=…``            write a box, as npy, where the source is writable
========================================  ==========================================================

A box is written ``Z0:Z1,Y0:Y1,X0:X1``, in the axes and coordinates of the level, whose ends may be left out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.relay.accounts import Caller
from voxome.relay.http import LongResponse, endpoint, require_known
from voxome.relay.npy import HEADER_BYTES, read_npy
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.request_errors import TooLarge

_LEVEL = re.compile("[0-9]{1,9}")


class RawDialect:
    """Sources as JSON and npy under ``/raw``.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def routes(self) -> Sequence[BaseRoute]:
        serve = partial(endpoint, self._relay, self._relay.largest_cutout_bytes + HEADER_BYTES)
        info, cutout = "/raw/{name:path}/info", "/raw/{name:path}/cutout"
        return [
            Route("/raw", serve(self._list), methods=["GET"]),
            Route(info, serve(self._info), methods=["GET"]),
            Route(cutout, serve(self._read), methods=["GET"]),
            Route(cutout, serve(self._write, permit=self._permit_write), methods=["PUT"]),
        ]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return the address of a source."""
        return {"raw": f"raw/{name}"}

    def _list(self, request: Request, caller: Caller, body: bytearray) -> Response:
        return JSONResponse({"sources": list(self._permitted(caller))})

    def _info(self, request: Request, caller: Caller, body: bytearray) -> Response:
        require_known(request, "level")
        name, sources = request.path_params["name"], self._permitted(caller)
        spec = sources.spec(name, level=_level(request))
        return JSONResponse({"name": name, "levels": sources.level_count(name), **_to_json(spec)})

    def _read(self, request: Request, caller: Caller, body: bytearray) -> Response:
        require_known(request, "box", "level")
        name, level, sources = request.path_params["name"], _level(request), self._permitted(caller)
        box = self._box(request, sources.spec(name, level=level))
        stream = io.BytesIO()
        np.save(stream, sources.read(name, box, level=level), allow_pickle=False)
        return LongResponse(stream.getvalue(), media_type="application/x-npy")

    def _permit_write(self, request: Request, caller: Caller) -> int:
        require_known(request, "box")
        name, sources = request.path_params["name"], self._permitted(caller)
        sources.require_write(name)
        spec = sources.spec(name)
        return self._box(request, spec).size * spec.dtype.itemsize + HEADER_BYTES

    def _write(self, request: Request, caller: Caller, body: bytearray) -> Response:
        name, sources = request.path_params["name"], self._permitted(caller)
        spec = sources.spec(name)
        box = self._box(request, spec)
        sources.write(name, box, read_npy(body, box.shape, spec.dtype))
        return Response(status_code=204)

    def _permitted(self, caller: Caller) -> PermittedSources:
        return PermittedSources(self._relay.sources, caller)

    def _box(self, request: Request, spec: VolumeSpec) -> Box:
        if "box" not in request.query_params:
            raise InvalidInput("the query has no box; add ?box=Z0:Z1,Y0:Y1,X0:X1")
        box = Box.parse(request.query_params["box"], spec.domain)
        if box.size * spec.dtype.itemsize > self._relay.largest_cutout_bytes:
            raise TooLarge(f"box {box} is over {self._relay.largest_cutout_bytes} bytes; request a smaller one")
        return box


def _level(request: Request) -> int:
    text = request.query_params.get("level", "0")
    if _LEVEL.fullmatch(text) is None:
        raise InvalidInput(f"level {text[:40]} is not a number of a level; write ?level=2")
    return int(text)


def _to_json(spec: VolumeSpec) -> dict[str, Any]:
    return {
        "axes": spec.axes, "start": spec.domain.start, "stop": spec.domain.stop, "dtype": spec.dtype.name,
        "kind": spec.kind, "voxel_size_nm": spec.voxel_size_nm, "offset_nm": spec.offset_nm,
    }  # fmt: skip
