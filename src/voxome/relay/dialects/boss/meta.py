"""``meta``: texts under keys of collections, experiments and channels."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.catalogue.records import Metadatum, place
from voxome.relay.dialects.boss.call import Call, resource_at
from voxome.relay.dialects.boss.errors import Code, Refused


def get(call: Call) -> Response:
    """The value of ``?key=``, or all keys without one."""
    where = _where(call, "read")
    if "key" in call.query:
        found = _find(call, where)
        return JSONResponse({"key": found.label, "value": found.value})
    names = dict(zip(("collection", "experiment", "channel"), where, strict=True))
    return JSONResponse({"keys": [one.label for one in call.relay.catalogue.find(Metadatum, **names)]})


def post(call: Call) -> Response:
    """Keep ``?value=`` under a new ``?key=``."""
    collection, experiment, channel = _where(call, "update")
    label, value = call.asked("key"), call.asked("value")
    made = Metadatum(collection=collection, experiment=experiment, channel=channel, label=label, value=value)
    try:
        call.relay.catalogue.write(add=[made])
    except AlreadyExists as error:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"Invalid request. The key {label} already exists") from error
    return Response(status_code=201)


def put(call: Call) -> Response:
    """Keep ``?value=`` under a ``?key=`` that is there."""
    found = _find(call, _where(call, "update"))
    value = call.asked("value")
    call.relay.catalogue.change(found, lambda now: replace(now, value=value))
    return Response(status_code=200)


def delete(call: Call) -> Response:
    """Forget ``?key=``."""
    call.relay.catalogue.write(remove=[_find(call, _where(call, "update"))])
    return Response(status_code=204)


def _where(call: Call, permission: str) -> tuple[str, str, str]:
    names = (call.path.get(part, "") for part in ("collection", "experiment", "channel"))
    found = resource_at(call.relay, *names)
    call.must_be_allowed(permission, found)
    return place(found)


def _find(call: Call, where: tuple[str, str, str]) -> Metadatum:
    label = call.asked("key")
    try:
        return call.relay.catalogue.get(Metadatum, *where, label)
    except NotFound as error:
        message = f"Invalid request. Key {label} Not found in the database"
        raise Refused(Code.INVALID_POST_ARGUMENT, message) from error
