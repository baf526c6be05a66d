"""Requests for every dialect: mostly valid ones, each changed in a few places."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.fuzz import hostile

_BOX = "0:4,0:4,0:4"
_CHANNELS = ("lab/exp/seg", "lab/exp/em", "col/exp/own", "col/exp/notes", "lab/exp/private")
_NAMES = (
    "em", "em", "lab/exp/seg", "lab/exp/seg", "lab/exp/em", "private", "lab/exp/private", "flat", "color", "broken",
    "mask", "absent", "edges", "edges;at=120", "edges;at={v}", "edges;{v}={v}", "lab/cells", "points",
    "private-points",
)  # fmt: skip
_RAW = (
    "/raw", "/raw/{name}/info", "/raw/{name}/info?level={n}", "/raw/{name}/cutout?box={box}",
    "/raw/{name}/cutout?box={box}&level={n}",
)  # fmt: skip
_API = (
    "/api", "/api/openapi.json", "/api/sources", "/api/source?source={name}",
    "/api/cutout?source={name}&box={box}&level={n}", "/api/cutout?source={name}&box={box}&format=raw",
    "/api/ids?source={name}&box={box}", "/api/bounding-box?source={name}&id={id}",
    "/api/region?source={name}&id={id}&box={box}", "/api/mesh?source={name}&id={id}",
    "/api/skeleton?source={name}&id={id}",
)  # fmt: skip
_FILES = (
    "/precomputed/{name}/info", "/precomputed/{name}/0/0-40_0-30_0-20", "/precomputed/{name}/1/0-20_0-15_0-20",
    "/precomputed/{name}/mesh/{id}:0", "/precomputed/{name}/skeletons/{id}",
    "/precomputed/{name}/segment_properties/info", "/zarr/{name}/.zattrs", "/zarr/{name}/0/.zarray",
    "/zarr/{name}/0/0.0.0", "/zarr/{name}/0/0/0/0", "/zarr/{name}/1/0/0/0", "/zarr/{name}/.zmetadata",
    "/zarr3/{name}/zarr.json", "/zarr3/{name}/0/zarr.json", "/zarr3/{name}/0/c/0/0/0", "/zarr3/{name}/0/c/9/9/9",
)  # fmt: skip
_S3 = (
    "/s3", "/s3/", "/s3/zarr3", "/s3/zarr3?list-type=2&prefix={name}/&delimiter=/",
    "/s3/zarr?list-type=2&max-keys={n}&start-after=x",
    "/s3/zarr3?list-type=2&continuation-token=eA%3D%3D&encoding-type=url", "/s3/precomputed/{name}/info",
    "/s3/zarr3/{name}/zarr.json", "/s3/zarr3/{name}/0/c/0/0/0", "/s3/zarr/{name}/0/0.0.0", "/s3/zarr3?location",
    "/s3/zarr3?delete", "/s3/zarr3/{name}/x?uploads", "/s3/zarr3/{name}/x?partNumber={n}&uploadId=x",
    "/s3/zarr3?versions", "/s3/absent/x",
)  # fmt: skip
_STORES = (
    "/s3/zarr3/scratch/object", "/s3/zarr3/scratch/{v}", "/s3/zarr3/scratch/link", "/zarr3/scratch/link",
    "/s3/zarr3/scratch/../secret.txt", "/s3/zarr3/scratch/array/zarr.json", "/s3/zarr3/scratch/array/c/0/0/0",
    "/zarr3/scratch/array/zarr.json", "/zarr/scratch/old/.zarray", "/zarr/scratch/old/0.0.0",
    "/s3/zarr3/scratch/object?uploads",
    "/s3/zarr3/scratch/object?partNumber={n}&uploadId={id}", "/s3/zarr3/scratch/object?uploadId={v}",
    "/s3/zarr3?list-type=2&prefix=scratch/", "/s3/zarr3?delete", "/raw/scratch/array/info",
    "/precomputed/scratch/p/info",
)  # fmt: skip
_VIEW = (
    "/view/edits?layer=lab/cells", "/view/edits/lab/cells", "/view/edits/lab/cells?since=@VERSION@",
    "/view/edits/{name}",
    "/view/session", "/precomputed/points/info", "/precomputed/points/by_id/{id}",
    "/precomputed/points/spatial0/0_0_0", "/view", "/view/", "/view/v/relay/", "/view/v/relay/main.js",
    "/view/state?base=http://x/", "/view/state?layer={name}&base=http://x/", "/view/states?base=http://x/",
    "/view/states/{id}?base=http://x/", "/view/annotations/{name}", "/view/login", "/view/logout", "/health",
    "/ready", "/metrics", "/status", "/", "/favicon.ico", "/robots.txt", "/.env", "/ping",
)  # fmt: skip
_BOSS = (
    "/v1/collection/", "/v1/collection/{n}", "/v1/collection/col", "/v1/collection/col/experiment/exp",
    "/v1/collection/lab/experiment/exp/channel", "/v1/collection/col/experiment/exp/channel/own",
    "/v1/collection/col/experiment/exp/channel/new", "/v1/coord", "/v1/coord/cf", "/v1/coord/new",
    "/v1/meta/col/?key=k&value=v", "/v1/meta/{channel}/?key=k", "/v1/groups", "/v1/groups/crew",
    "/v1/groups/crew/members/zoe", "/v1/groups/crew/maintainers/zoe", "/v1/permissions/?group=crew&collection=col",
    "/v1/permissions", "/v1/sso/user/zoe", "/v1/sso/user-role/zoe", "/v1/sso/user-role/zoe/user-manager",
    "/v1/cutout/{channel}/{n}/0:4/0:4/0:4", "/v1/cutout/{channel}/0/0:4/0:4/0:4/0:1",
    "/v1/cutout/{channel}/0/0:4/0:4/0:4?filter={id}", "/v1/cutout/{channel}/0/{r}/{r}/{r}",
    "/v1/cutout/to_black/{channel}/0/0:4/0:4/0:4", "/v1/ids/{channel}/0/0:4/0:4/0:4",
    "/v1/boundingbox/{channel}/0/{id}?type=tight", "/v1/reserve/{channel}/{n}", "/v1/downsample/{channel}",
    "/v1/image/{channel}/xy/0/0:4/0:4/0", "/v1/image/{channel}/yz/0/0/0:4/0:4", "/v1/tile/{channel}/xy/256/0/0/0/0",
    "/v1/tile/{channel}/xz/{n}/0/0/0/0", "/latest/collection/", "/v2/collection/", "//v1//coord//", "/v1/ingest/",
    "/v1/ingest/{n}", "/v1/cutout/{channel}/0/0:4/0:4/0:4?access-mode=raw&window=1,2",
)  # fmt: skip
TEMPLATES = (_RAW, _API, _FILES, _S3, _STORES, _VIEW, _BOSS)
METHODS = ("GET",) * 10 + ("HEAD", "PUT", "PUT", "POST", "POST", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE")
CALLERS = (
    "nobody",
    "nobody",
    "member",
    "member",
    "stranger",
    "stranger",
    "admin",
    "expired",
    "forged",
    "junk",
    "nobody",
    "signed",
)


@dataclass
class Attempt:
    """A request to be sent.

    Attributes
    ----------
    caller : str
        One of `CALLERS`.
    """

    method: str
    target: str
    caller: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    is_chunked: bool = False

    def describe(self) -> str:
        """What is needed to send it again."""
        body = f"{self.body[:80]!r} ({len(self.body)} bytes{', chunked' * self.is_chunked})"
        return f"{self.method} {self.target[:300]} by {self.caller}, {str(self.headers)[:300]}, body {body}"


_WRITES: tuple[tuple[str, str, Callable[[random.Random], bytes], str, str], ...] = (
    ("/view/edits/", "POST", hostile.edit, "member", "application/json"),
    ("/view/states", "POST", hostile.fields, "nobody", "application/json"),
    ("/view/login", "POST", hostile.fields, "nobody", "application/json"),
    ("/raw/{name}/cutout", "PUT", hostile.npy, "member", "application/x-npy"),
    ("/zarr", "PUT", hostile.chunk, "member", "application/octet-stream"),
    ("/precomputed/", "PUT", hostile.chunk, "member", "application/octet-stream"),
    ("/s3/", "PUT", hostile.chunk, "signed", "application/octet-stream"),
    ("/s3/zarr3/scratch/", "PUT", hostile.metadata, "signed", "application/json"),
    ("/s3/zarr3/scratch/", "POST", hostile.xml, "signed", "text/xml"),
    ("/zarr3/scratch/", "PUT", hostile.metadata, "member", "application/json"),
    ("/zarr/scratch/", "PUT", hostile.metadata, "member", "application/json"),
    ("/s3/zarr3?delete", "POST", hostile.xml, "signed", "text/xml"),
    ("/v1/cutout/", "POST", hostile.npy, "admin", "application/npygz"),
    ("/v1/cutout/", "POST", hostile.blosc, "member", "application/blosc"),
    ("/v1/cutout/to_black/", "PUT", hostile.fields, "member", "application/json"),
    ("/v1/coord/", "POST", hostile.frame, "admin", "application/json"),
    ("/v1/collection/", "POST", hostile.project, "admin", "application/json"),
    ("/v1/collection/", "PUT", hostile.project, "admin", "application/json"),
    ("/v1/permissions", "POST", hostile.project, "admin", "application/json"),
    ("/v1/permissions", "PATCH", hostile.project, "admin", "application/json"),
    ("/v1/sso/", "POST", hostile.fields, "admin", "application/json"),
    ("/v1/downsample/", "POST", hostile.fields, "admin", "application/json"),
)
"""Start of a template, and how those write there who may."""


def attempt(rng: random.Random) -> Attempt:
    """The next request."""
    if rng.random() < 0.25:
        return _write(rng)
    target = _fill(rng, rng.choice(rng.choice(TEMPLATES)))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        target = _change(rng, target)
    made = Attempt(rng.choice(METHODS), target or "/", rng.choice(CALLERS))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        name, values = rng.choice(hostile.HEADERS)
        made.headers.append((name, rng.choice(values)))
    if made.method in ("PUT", "POST", "PATCH", "DELETE") or rng.random() < 0.03:
        made.body, made.is_chunked = hostile.body(rng), rng.random() < 0.2
    return made


def _write(rng: random.Random) -> Attempt:
    """A write by one who may write, in which little is wrong."""
    start, method, body, caller, media_type = rng.choice(_WRITES)
    every = [one for templates in TEMPLATES for one in templates]
    target = _fill(rng, rng.choice([one for one in every if one.startswith(start)]))
    for _ in range(rng.choice((0, 0, 0, 1))):
        target = _change(rng, target)
    return Attempt(method, target or "/", caller, [("Content-Type", media_type)], body(rng), rng.random() < 0.1)


def _fill(rng: random.Random, template: str) -> str:
    values = {
        "name": rng.choice(_NAMES),
        "channel": rng.choice(_CHANNELS),
        "box": rng.choice((_BOX, _BOX, "0:2,0:4", "0:1,0:4,0:4,0:4")),
        "n": rng.choice(("0", "0", "1", "2", "9", "64")),
        "id": rng.choice(("1", "7", "720575940602398473", "18446744073709551614")),
        "r": rng.choice(hostile.RANGES),
    }
    return template.format(**values, v="{v}").replace("{v}", rng.choice(hostile.PARTS))


def _change(rng: random.Random, target: str) -> str:
    path, mark, query = target.partition("?")
    if mark and rng.random() < 0.5:
        return f"{path}?{_change_query(rng, query)}"
    parts = path.split("/")
    where = rng.randrange(1, len(parts)) if len(parts) > 1 else 0
    kind = rng.random()
    if kind < 0.5:
        parts[where] = rng.choice(hostile.RANGES if ":" in parts[where] else hostile.PARTS)
    elif kind < 0.65:
        parts.insert(where, rng.choice(hostile.PARTS))
    elif kind < 0.8:
        del parts[where]
    elif kind < 0.9:
        parts[where] += rng.choice(hostile.PARTS)
    else:
        parts = parts[:where] + [".."] * rng.randint(1, 8) + ["etc", "passwd"]
    return "/".join(parts) + mark + query


def _change_query(rng: random.Random, query: str) -> str:
    pairs = query.split("&")
    where = rng.randrange(len(pairs))
    name, _, value = pairs[where].partition("=")
    values = hostile.RANGES + hostile.PARTS
    kind = rng.random()
    if kind < 0.6:
        ranges = value.split(",")
        ranges[rng.randrange(len(ranges))] = rng.choice(values)
        pairs[where] = f"{name}={','.join(ranges)}"
    elif kind < 0.7:
        del pairs[where]
    elif kind < 0.8:
        pairs.append(pairs[where])
    elif kind < 0.9:
        pairs[where] = f"{name}={rng.choice(values)}"
    else:
        pairs.append(f"{rng.choice(hostile.PARTS)}={rng.choice(values)}")
    return "&".join(pairs)
