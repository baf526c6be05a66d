"""The paths of BossDB's API, and their handlers."""

from __future__ import annotations

from collections.abc import Mapping

from voxome.relay.dialects.boss import cutout, groups, ids, images, ingest, levels, meta, permissions, projects, users
from voxome.relay.dialects.boss.handlers import Handler, LookUp, Upload

Methods = Mapping[str, Handler | LookUp | Upload]

_EXPERIMENTS = "/v1/collection/{collection}/experiment"
_CHANNELS = _EXPERIMENTS + "/{experiment}/channel"
_CHANNEL = "{collection}/{experiment}/{channel}"
_RANGES = "/{resolution}/{x}/{y}/{z}"
_BOX = _CHANNEL + _RANGES
_META: Methods = {"GET": meta.get, "POST": meta.post, "PUT": meta.put, "DELETE": meta.delete}
_INGEST: Methods = dict.fromkeys(("GET", "POST", "DELETE"), ingest.refuse)


def _timed(path: str, methods: Methods) -> dict[str, Methods]:
    """Return the path with and without a time range at the end."""
    return {path: methods, path + "/{t}": methods}


def _methods(resource_type: projects.ResourceType) -> dict[str, Handler]:
    factories = {"GET": projects.get, "POST": projects.post, "PUT": projects.put, "DELETE": projects.delete}
    return {method: factory(resource_type) for method, factory in factories.items()}


def _ranked(rank: str) -> dict[str, Methods]:
    one = {"GET": groups.has_rank(rank), "POST": groups.add_rank(rank), "DELETE": groups.remove_rank(rank)}
    path = f"/v1/groups/{{group}}/{rank}s"
    return {path: {"GET": groups.list_ranked(rank)}, path + "/{user}": one}


ROUTES: dict[str, Methods] = {
    "/v1/collection": {"GET": projects.index(projects.COLLECTION)},
    "/v1/collection/{collection}": _methods(projects.COLLECTION),
    _EXPERIMENTS: {"GET": projects.index(projects.EXPERIMENT)},
    _EXPERIMENTS + "/{experiment}": _methods(projects.EXPERIMENT),
    _CHANNELS: {"GET": projects.index(projects.CHANNEL)},
    _CHANNELS + "/{channel}": _methods(projects.CHANNEL),
    "/v1/coord": {"GET": projects.index(projects.FRAME)},
    "/v1/coord/{coord}": _methods(projects.FRAME),
    **dict.fromkeys(("/v1/meta/" + names for names in ("{collection}", "{collection}/{experiment}", _CHANNEL)), _META),
    "/v1/groups": {"GET": groups.index},
    "/v1/groups/{group}": {"GET": groups.get, "POST": groups.post, "DELETE": groups.delete},
    **_ranked("member"),
    **_ranked("maintainer"),
    "/v1/permissions": {
        "GET": permissions.get,
        "POST": permissions.post,
        "PATCH": permissions.patch,
        "DELETE": permissions.delete,
    },
    "/v1/sso/user/{user}": {"GET": users.get, "POST": users.post, "DELETE": users.delete},
    "/v1/sso/user-role/{user}": {"GET": users.roles},
    "/v1/sso/user-role/{user}/{role}": {"GET": users.roles, "POST": users.add_role, "DELETE": users.remove_role},
    **_timed("/v1/cutout/to_black/" + _BOX, {"PUT": cutout.to_black}),
    **_timed("/v1/cutout/" + _BOX, {"GET": cutout.get, "POST": Upload(cutout.post)}),
    **_timed("/v1/ids/" + _BOX, {"GET": LookUp(ids.in_box)}),
    "/v1/boundingbox/" + _CHANNEL + "/{resolution}/{id}": {"GET": LookUp(ids.bounding_box)},
    "/v1/reserve/" + _CHANNEL + "/{count}": {"GET": ids.reserve},
    "/v1/downsample/" + _CHANNEL: {"GET": levels.get, "POST": levels.post, "DELETE": levels.delete},
    **dict.fromkeys(("/v1/ingest", "/v1/ingest/{job}", "/v1/ingest/{job}/{part}"), _INGEST),
    **_timed("/v1/image/" + _CHANNEL + "/{orientation}" + _RANGES, {"GET": images.image}),
    **_timed("/v1/tile/" + _CHANNEL + "/{orientation}/{size}" + _RANGES, {"GET": images.tile}),
}
"""Path without a trailing slash → method → handler; the first path that matches counts."""
