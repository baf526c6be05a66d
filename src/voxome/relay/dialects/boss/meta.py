"""``meta``: keys and texts of collections, experiments and channels."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.records import PARTS, Metadatum, names_of

_LONGEST_KEY = 255


def get(call: Call) -> Response:
    """Send the value of ``?key=``, or all keys."""
    where = _where(call, "read")
    if "key" in call.query:
        found = _find(call, where)
        return JSONResponse({"key": found.label, "value": found.value})
    return JSONResponse({"keys": [one.label for one in call.boss.catalogue.find(Metadatum, **where)]})


def post(call: Call) -> Response:
    """Store ``?value=`` under a new ``?key=``."""
    where = _where(call, "update")
    label, value = call.argument("key"), call.argument("value")
    if len(label) > _LONGEST_KEY:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"the key has {len(label)} characters; at most {_LONGEST_KEY}")
    try:
        call.boss.catalogue.write(add=[Metadatum(**where, label=label, value=value)])
    except AlreadyExists as error:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"Invalid request. The key {label} already exists") from error
    return Response(status_code=201)


def put(call: Call) -> Response:
    """Store ``?value=`` under an existing ``?key=``."""
    found = _find(call, _where(call, "update"))
    value = call.argument("value")
    call.boss.catalogue.change(found, lambda one: replace(one, value=value))
    return Response(status_code=200)


def delete(call: Call) -> Response:
    """Delete ``?key=``."""
    call.boss.catalogue.write(remove=[_find(call, _where(call, "update"))])
    return Response(status_code=204)


def _where(call: Call, permission: str) -> dict[str, str]:
    found = call.resource(**{part: call.path.get(part, "") for part in PARTS})
    call.require_permission(permission, found)
    return names_of(found)


def _find(call: Call, where: dict[str, str]) -> Metadatum:
    label = call.argument("key")
    try:
        return call.boss.catalogue.get(Metadatum, *where.values(), label)
    except NotFound as error:
        message = f"Invalid request. Key {label} Not found in the database"
        raise Refused(Code.INVALID_POST_ARGUMENT, message) from error
