"""A session of the real intern 1.4.2, run by a Python that has it; its results are printed as JSON.

The server is in INTERN_PROTOCOL, INTERN_HOST and INTERN_TOKEN.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from intern import array
from intern.convenience.array import Metadata
from intern.remote.boss import BossRemote
from intern.resource.boss.resource import (
    ChannelResource,
    CollectionResource,
    CoordinateFrameResource,
    ExperimentResource,
)

RNG = np.random.default_rng(0)
CHANNEL = ChannelResource("em", "col", "exp", "image", datatype="uint8", raw={})
BOX = ([0, 40], [0, 30], [0, 20])


def arrays() -> dict[str, Any]:
    shape = {"extents": (20, 600, 700), "voxel_size": (40, 4, 4)}
    created = array("bossdb://col/exp/em", create_new=True, dtype="uint8", **shape)
    data = RNG.integers(0, 255, (20, 600, 700), dtype="uint8")
    created[0:20, 0:600, 0:700] = data
    wide = array("bossdb://col/exp/wide", create_new=True, dtype="uint16", **shape)
    wide[0:20, 0:30, 0:40] = data[:, :30, :40].astype("uint16") * 200
    seg = array("bossdb://col/exp/seg", create_new=True, dtype="uint64", source_channel="em", **shape)
    labels = RNG.choice(np.array([0, 7, 2**40], "uint64"), (20, 30, 40))
    seg[0:20, 0:30, 0:40] = labels
    again = array("bossdb://col/exp/em")
    return {
        "shape": list(again.shape),
        "dtype": again.dtype,
        "voxel_size": list(again.voxel_size),
        "voxel_unit": again.voxel_unit,
        "status": again.downsample_status,
        "resolutions": list(again.available_resolutions),
        "whole": bool((again[0:20, 0:600, 0:700] == data).all()),
        "part": bool((again[3:17, 5:99, 40:77] == data[3:17, 5:99, 40:77]).all()),
        "slice": bool((again[5] == data[5]).all()),
        "wide": bool((wide[0:20, 0:30, 0:40] == data[:, :30, :40].astype("uint16") * 200).all()),
        "seg": bool((seg[0:20, 0:30, 0:40] == labels).all()),
        "missing": failure(lambda: array("bossdb://col/exp/none")),
    }


def large(boss: BossRemote) -> dict[str, Any]:
    """Read more than 1.2 of intern's chunks, which it splits among several processes."""
    created = array(
        "bossdb://big/exp/em", create_new=True, dtype="uint8", extents=(100, 600, 700), voxel_size=(1, 1, 1)
    )
    data = RNG.integers(0, 255, (100, 600, 700), dtype="uint8")
    created[0:100, 0:600, 0:700] = data
    box = ([0, 700], [0, 600], [0, 100])
    channel = boss.get_channel("em", "big", "exp")
    return {
        "parallel": bool((boss.get_cutout(channel, 0, *box, parallel=2) == data).all()),
        "serial": bool((boss.get_cutout(channel, 0, *box, parallel=False) == data).all()),
    }


def published(boss: BossRemote) -> dict[str, Any]:
    """Read sources that the server publishes: an image of noise, and uint64 labels."""
    image, labels = array("bossdb://published/exp/em"), array("bossdb://published/exp/seg")

    def write() -> None:
        image[0:1, 0:1, 0:1] = np.ones((1, 1, 1), "uint8")

    return {
        "shape": list(image.shape),
        "dtypes": [image.dtype, labels.dtype],
        "voxel_size": list(image.voxel_size),
        "status": image.downsample_status,
        "sums": [int(image[0:9, 0:30, 0:40].astype("uint64").sum()), int(labels[2:9, 3:30, 4:40].max())],
        "ids": list(boss.get_ids_in_region(boss.get_channel("seg", "published", "exp"), 0, [0, 9], [0, 1], [0, 1])),
        "written": failure(write),
    }


def cutouts(boss: BossRemote) -> dict[str, Any]:
    seg = boss.get_channel("seg", "col", "exp")
    labels = boss.get_cutout(seg, 0, *BOX)
    filtered = boss.get_cutout(seg, 0, *BOX, id_list=[7])
    timed = boss.get_cutout(seg, 0, *BOX, time_range=[0, 1])
    ids = boss.get_ids_in_region(seg, 0, *BOX)
    found = {
        "filter": bool((filtered == np.where(labels == 7, 7, 0)).all()),
        "time": list(timed.shape),
        "ids": [int(i) for i in ids],
        "tight": boss.get_bounding_box(seg, 0, 7, "tight"),
        "loose": boss.get_bounding_box(seg, 0, 7, "loose"),
        "no box": failure(lambda: boss.get_bounding_box(seg, 0, 8, "tight")),
        "reserved": [boss.reserve_ids(seg, 10), boss.reserve_ids(seg, 1)],
        "beyond": failure(lambda: boss.get_cutout(seg, 0, [0, 701], [0, 1], [0, 1])),
        "wrong dtype": failure(lambda: boss.create_cutout(CHANNEL, 0, *BOX, np.ones((20, 30, 40), "uint16"))),
    }
    boss.create_cutout_to_black(seg, 0, *BOX)
    return {**found, "black": bool((boss.get_cutout(seg, 0, *BOX) == 0).all())}


def projects(boss: BossRemote) -> dict[str, Any]:
    boss.create_project(CollectionResource("mine", "text"))
    boss.create_project(CoordinateFrameResource("frame", "text", 0, 10, 0, 10, 0, 10, 4, 4, 40, "nanometers"))
    boss.create_project(ExperimentResource("run", "mine", "frame", "text", 3, "isotropic", 2))
    channel = boss.create_project(ChannelResource("a", "mine", "run", "image", "text", 0, "uint16"))
    boss.create_project(ChannelResource("b", "mine", "run", "annotation", "text", 0, "uint64", sources=["a"]))
    channel.description = "new"
    updated = boss.update_project("a", channel)
    boss.set_project_public_visibility(channel, True)
    found = {
        "collections": boss.list_collections(),
        "experiments": boss.list_experiments("mine"),
        "channels": boss.list_channels("mine", "run"),
        "frames": boss.list_coordinate_frames(),
        "updated": updated.description,
        "public": boss.get_channel("a", "mine", "run").public,
        "extents": boss.get_extents(boss.get_experiment("mine", "run")),
        "in use": failure(lambda: boss.delete_project(CollectionResource("mine"))),
    }
    for name, channel_type in (("b", "annotation"), ("a", "image")):
        boss.delete_project(ChannelResource(name, "mine", "run", channel_type, datatype="uint64"))
    boss.delete_project(ExperimentResource("run", "mine", "frame"))
    boss.delete_project(CoordinateFrameResource("frame"))
    boss.delete_project(CollectionResource("mine"))
    return {**found, "left": boss.list_collections()}


def metadata(boss: BossRemote) -> dict[str, Any]:
    boss.create_metadata(CHANNEL, {"k1": "v 1", "k2": "v2"})
    boss.update_metadata(CHANNEL, {"k1": "new"})
    found = {"keys": boss.list_metadata(CHANNEL), "values": boss.get_metadata(CHANNEL, ["k1", "k2"])}
    boss.delete_metadata(CHANNEL, ["k1"])
    mapping = Metadata(CHANNEL, remote=boss)
    mapping["k3"] = "v3"
    return {
        **found,
        "mapping": sorted(mapping.keys()),
        "twice": failure(lambda: boss.create_metadata(CHANNEL, {"k2": ""})),
    }


def people(boss: BossRemote) -> dict[str, Any]:
    boss.add_user("bob", "B", "O", "b@o", "pw")
    boss.add_user_role("bob", "resource-manager")
    roles = boss.get_user_roles("bob")
    boss.delete_user_role("bob", "resource-manager")
    boss.create_group("lab")
    boss.add_group_member("lab", "bob")
    boss.add_group_maintainer("lab", "bob")
    boss.add_permissions("lab", CHANNEL, ["read", "read_volumetric_data"])
    boss.update_permissions("lab", CHANNEL, ["read"])
    found = {
        "user": boss.get_user("bob")["username"],
        "roles": roles,
        "groups": boss.list_groups(),
        "group": boss.get_group("lab"),
        "members": boss.list_group_members("lab"),
        "is member": boss.get_is_group_member("lab", "bob"),
        "maintainers": boss.list_group_maintainers("lab"),
        "permissions": boss.get_permissions("lab", CHANNEL),
        "all": len(boss.list_permissions("lab")),
    }
    boss.delete_permissions("lab", CHANNEL)
    boss.delete_group_member("lab", "bob")
    boss.delete_group("lab")
    boss.delete_user("bob")
    return {**found, "then": [boss.list_groups(), failure(lambda: boss.get_user("bob"))]}


def failure(call: Callable[[], Any]) -> str:
    """Return the type and text of the error that `call` raises; empty if none."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def main() -> None:
    found = {"arrays": arrays()}
    boss = BossRemote()
    for part in (cutouts, published, metadata, people, projects, large):
        found[part.__name__] = part(boss)
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
