"""Which handler answers which path of BossDB's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from voxome.relay.dialects.boss import cutout, groups, ids, images, levels, meta, permissions, projects, users
from voxome.relay.dialects.boss.call import Call

Handler = Callable[[Call], Response]

_EXPERIMENTS = "/v1/collection/{collection}/experiment"
_CHANNELS = _EXPERIMENTS + "/{experiment}/channel"
_CHANNEL = "{collection}/{experiment}/{channel}"
_PLACE = "/{resolution}/{x}/{y}/{z}"
_BOX = _CHANNEL + _PLACE
_META: Mapping[str, Handler] = {"GET": meta.get, "POST": meta.post, "PUT": meta.put, "DELETE": meta.delete}


def _either(path: str, methods: Mapping[str, Handler]) -> dict[str, Mapping[str, Handler]]:
    """With and without a time range at the end."""
    return {path: methods, path + "/{t}": methods}


def _one(kind: projects.Kind) -> dict[str, Handler]:
    made = {"GET": projects.get, "POST": projects.post, "PUT": projects.put, "DELETE": projects.delete}
    return {method: make(kind) for method, make in made.items()}


def _people(rank: str) -> dict[str, Mapping[str, Handler]]:
    one = {"GET": groups.has(rank), "POST": groups.join(rank), "DELETE": groups.leave(rank)}
    path = f"/v1/groups/{{group}}/{rank}s"
    return {path: {"GET": groups.people(rank)}, path + "/{user}": one}


ROUTES: dict[str, Mapping[str, Handler]] = {
    "/v1/collection": {"GET": projects.index(projects.COLLECTION)},
    "/v1/collection/{collection}": _one(projects.COLLECTION),
    _EXPERIMENTS: {"GET": projects.index(projects.EXPERIMENT)},
    _EXPERIMENTS + "/{experiment}": _one(projects.EXPERIMENT),
    _CHANNELS: {"GET": projects.index(projects.CHANNEL)},
    _CHANNELS + "/{channel}": _one(projects.CHANNEL),
    "/v1/coord": {"GET": projects.index(projects.FRAME)},
    "/v1/coord/{coord}": _one(projects.FRAME),
    **dict.fromkeys(("/v1/meta/" + place for place in ("{collection}", "{collection}/{experiment}", _CHANNEL)), _META),
    "/v1/groups": {"GET": groups.index},
    "/v1/groups/{group}": {"GET": groups.get, "POST": groups.post, "DELETE": groups.delete},
    **_people("member"),
    **_people("maintainer"),
    "/v1/permissions": {
        "GET": permissions.get,
        "POST": permissions.post,
        "PATCH": permissions.patch,
        "DELETE": permissions.delete,
    },
    "/v1/sso/user/{user}": {"GET": users.get, "POST": users.post, "DELETE": users.delete},
    "/v1/sso/user-role/{user}": {"GET": users.roles},
    "/v1/sso/user-role/{user}/{role}": {"GET": users.roles, "POST": users.add_role, "DELETE": users.remove_role},
    **_either("/v1/cutout/to_black/" + _BOX, {"PUT": cutout.to_black}),
    **_either("/v1/cutout/" + _BOX, {"GET": cutout.get, "POST": cutout.post}),
    **_either("/v1/ids/" + _BOX, {"GET": ids.in_box}),
    "/v1/boundingbox/" + _CHANNEL + "/{resolution}/{id}": {"GET": ids.bounding_box},
    "/v1/reserve/" + _CHANNEL + "/{count}": {"GET": ids.reserve},
    "/v1/downsample/" + _CHANNEL: {"GET": levels.get, "POST": levels.post, "DELETE": levels.delete},
    **_either("/v1/image/" + _CHANNEL + "/{orientation}" + _PLACE, {"GET": images.image}),
    **_either("/v1/tile/" + _CHANNEL + "/{orientation}/{size}" + _PLACE, {"GET": images.tile}),
}
"""Path without a slash at its end → method → handler. The first that matches counts."""
