"""Every call of the real intern 1.4.2, over channels of several stores; run by a Python that has it.

Reads from stdin, as JSON: name of a store → channel → file of its voxels (npy). Prints name → call → "" or an error.
The server is in INTERN_PROTOCOL, INTERN_HOST and INTERN_TOKEN.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from intern import array
from intern.remote.boss import BossRemote
from intern.resource.boss.resource import (
    ChannelResource,
    CollectionResource,
    CoordinateFrameResource,
    ExperimentResource,
)
from intern.service.boss.volume import CacheMode

Calls = Iterator[tuple[str, Callable[[], object]]]
RNG = np.random.default_rng(1)


def equal(found: object, expected: object) -> None:
    same = np.array_equal(found, expected) if isinstance(expected, np.ndarray) else found == expected
    if not same:
        raise AssertionError(f"{found!r:.200} is not {expected!r:.200}")


def ranges(data: Any) -> list[list[int]]:
    return [[0, n] for n in reversed(data.shape[-3:])]


def reading(boss: BossRemote, store: str, stored: dict[str, Any]) -> Calls:
    """Yield what reads channels and their descriptions."""
    channels = {name: boss.get_channel(name, store, "exp") for name in stored if name != "movie"}
    experiment = boss.get_experiment(store, "exp")
    em = stored["em"]

    def shape() -> None:
        one = array(f"bossdb://{store}/exp/em")
        equal(tuple(one.shape), em.shape)
        equal((one.dtype, tuple(one.voxel_size), one.voxel_unit), ("uint8", (4, 8, 40), "nanometers"))
        equal(one[2:5, 3:30, 4:40], em[2:5, 3:30, 4:40])

    def cutouts(**options: Any) -> Callable[[], None]:
        def read() -> None:
            for name, channel in channels.items():
                equal(boss.get_cutout(channel, 0, *ranges(stored[name]), **options), stored[name])

        return read

    def movie() -> None:
        channel, data = boss.get_channel("movie", store, "time"), stored["movie"]
        equal(boss.get_cutout(channel, 0, *ranges(data), time_range=[0, len(data)]), data)
        equal(boss.get_cutout(channel, 0, *ranges(data), time_range=[1, 2]), data[1:2])

    yield "list_collections", lambda: equal(store in boss.list_collections(), True)
    yield "list_experiments", lambda: equal("exp" in boss.list_experiments(store), True)
    yield "list_channels", lambda: equal(boss.list_channels(store, "exp"), sorted(channels))
    yield "list_coordinate_frames", lambda: equal(f"CF_{store}_exp" in boss.list_coordinate_frames(), True)
    yield "get_project: collection", lambda: equal(boss.get_project(CollectionResource(store)).name, store)
    yield "get_project: frame", lambda: equal(boss.get_coordinate_frame(f"CF_{store}_exp").z_stop, em.shape[0])
    yield "get_extents", lambda: equal(boss.get_extents(experiment), ranges(em))
    yield "get_channel", lambda: equal({n: c.datatype for n, c in channels.items()}, dtypes(stored))
    yield "array", shape
    for mode in ("cache", "no_cache", "raw"):
        yield f"get_cutout: {mode}", cutouts(access_mode=getattr(CacheMode, mode), parallel=False)
    if "movie" in stored:
        yield "get_cutout: time", movie


def dtypes(stored: dict[str, Any]) -> dict[str, str]:
    return {name: data.dtype.name for name, data in stored.items() if name != "movie"}


def labels(boss: BossRemote, store: str, stored: dict[str, Any]) -> Calls:
    """Yield what needs labels."""
    seg, data = boss.get_channel("seg", store, "exp"), stored["seg"]
    ids = sorted(set(np.unique(data).tolist()) - {0})
    places = np.argwhere(data == ids[0])
    tight = [[int(a), int(b) + 1] for a, b in zip(places.min(0), places.max(0), strict=True)]

    def reserve() -> None:
        equal(boss.reserve_ids(seg, 10), boss.reserve_ids(seg, 1) - 10)

    def found(kind: str) -> list[list[int]]:
        box = boss.get_bounding_box(seg, 0, ids[0], kind)
        return [box[f"{axis}_range"] for axis in "zyx"]

    whole = boss.get_ids_in_region, ranges(data)
    yield "get_ids_in_region", lambda: equal(sorted(int(i) for i in whole[0](seg, 0, *whole[1])), ids)
    yield "get_bounding_box: tight", lambda: equal(found("tight"), tight)
    yield "get_bounding_box: loose", lambda: equal(found("loose"), [[0, 16], [0, 512], [0, 512]])
    kept = np.where(data == ids[0], data, 0)
    yield "get_cutout: ids", lambda: equal(boss.get_cutout(seg, 0, *ranges(data), id_list=[ids[0]]), kept)
    yield "reserve_ids", reserve


def writing(boss: BossRemote, store: str, stored: dict[str, Any]) -> Calls:
    """Yield what writes voxels."""

    def write() -> None:
        for name, data in stored.items():
            if name != "movie":
                channel = boss.get_channel(name, store, "exp")
                values = np.where(RNG.random(data.shape) < 0.5, RNG.permutation(data.ravel()).reshape(data.shape), 0)
                values = values.astype(data.dtype)
                boss.create_cutout(channel, 0, *ranges(data), values)
                stored[name] = np.where(values, values, data)
                equal(boss.get_cutout(channel, 0, *ranges(data)), stored[name])

    def movie() -> None:
        channel, data = boss.get_channel("movie", store, "time"), stored["movie"]
        values = RNG.integers(1, 2**16, data.shape, dtype="uint16")
        boss.create_cutout(channel, 0, *ranges(data), values, time_range=[0, len(data)])
        equal(boss.get_cutout(channel, 0, *ranges(data), time_range=[0, len(data)]), values)

    def black() -> None:
        channel = boss.get_channel("em", store, "exp")
        boss.create_cutout_to_black(channel, 0, [1, 9], [2, 5], [3, 4])
        stored["em"][3:4, 2:5, 1:9] = 0
        equal(boss.get_cutout(channel, 0, *ranges(stored["em"])), stored["em"])

    def assign() -> None:
        one = array(f"bossdb://{store}/exp/em")
        one[0:2, 0:3, 0:4] = np.full((2, 3, 4), 9, "uint8")
        equal(one[0:2, 0:3, 0:4], np.full((2, 3, 4), 9, "uint8"))

    yield "create_cutout", write
    yield "create_cutout_to_black", black
    yield "array: assign", assign
    if "movie" in stored:
        yield "create_cutout: time", movie


def projects(boss: BossRemote, store: str, stored: dict[str, Any]) -> Calls:
    """Yield what creates, changes and deletes resources, beside the channels that are sources."""
    em = boss.get_channel("em", store, "exp")
    notes = ChannelResource("notes", store, "exp", "annotation", "text", 0, "uint64", sources=["em"])
    frame = CoordinateFrameResource(f"f-{store}", "text", 0, 9, 0, 9, 0, 9, 4, 4, 40, "nanometers")
    mine = ExperimentResource("mine", store, f"f-{store}", "text", 3, "isotropic", 2)
    box = ([0, 4], [0, 3], [0, 2])

    def update() -> None:
        em.description = "new"
        equal(boss.update_project("em", em).description, "new")

    def delete() -> None:
        boss.create_cutout(boss.get_channel("notes", store, "exp"), 0, *box, np.ones((2, 3, 4), "uint64"))
        boss.delete_project(notes)
        again = ChannelResource("notes", store, "exp", "image", "text", 0, "uint16")
        boss.create_project(again)
        equal(boss.get_cutout(again, 0, *box), np.zeros((2, 3, 4), "uint16"))
        boss.delete_project(again)

    def other() -> None:
        one = CollectionResource(f"other-{store}", "text")
        boss.create_project(one)
        boss.set_project_public_visibility(one, True)
        boss.delete_project(one)

    yield "update_project", update
    yield "set_project_public_visibility", lambda: boss.set_project_public_visibility(em, True)
    yield "create_project: frame", lambda: boss.create_project(frame)
    yield "create_project: experiment", lambda: boss.create_project(mine)
    yield "create_project: channel", lambda: boss.create_project(notes)
    yield "create_project: collection", other
    yield "delete_project: channel", delete
    yield "delete_project: experiment", lambda: boss.delete_project(mine)
    yield "delete_project: frame", lambda: boss.delete_project(frame)


def people(boss: BossRemote, store: str, stored: dict[str, Any]) -> Calls:
    """Yield metadata, users, groups, permissions."""
    em, group, user = boss.get_channel("em", store, "exp"), f"group-{store}", f"user-{store}"

    def permissions() -> None:
        boss.add_permissions(group, em, ["read", "update"])
        boss.update_permissions(group, em, ["read"])
        equal((boss.get_permissions(group, em), len(boss.list_permissions(group))), (["read"], 1))
        boss.delete_permissions(group, em)

    def members() -> None:
        boss.add_group_member(group, user)
        boss.add_group_maintainer(group, user)
        equal((user in boss.list_group_members(group), user in boss.list_group_maintainers(group)), (True, True))
        equal((boss.get_is_group_member(group, user), boss.get_is_group_maintainer(group, user)), (True, True))
        boss.delete_group_maintainer(group, user)
        boss.delete_group_member(group, user)

    def roles() -> None:
        boss.add_user_role(user, "resource-manager")
        equal(boss.get_user_roles(user), ["resource-manager"])
        boss.delete_user_role(user, "resource-manager")

    yield "create_metadata", lambda: boss.create_metadata(em, {"k": "v 1"})
    yield "update_metadata", lambda: boss.update_metadata(em, {"k": "new"})
    yield "list_metadata", lambda: equal("k" in boss.list_metadata(em), True)
    yield "get_metadata", lambda: equal(boss.get_metadata(em, ["k"]), {"k": "new"})
    yield "delete_metadata", lambda: boss.delete_metadata(em, ["k"])
    yield "add_user", lambda: boss.add_user(user, "first", "last", "mail", "password")
    yield "get_user", lambda: equal(boss.get_user(user)["username"], user)
    yield "roles of users", roles
    yield "create_group", lambda: boss.create_group(group)
    yield "get_group", lambda: equal((boss.get_group(group)["name"], group in boss.list_groups()), (group, True))
    yield "members and maintainers of groups", members
    yield "permissions", permissions
    yield "delete_group", lambda: boss.delete_group(group)
    yield "delete_user", lambda: boss.delete_user(user)


def failure(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:600]
    return ""


def main() -> None:
    found: dict[str, dict[str, str]] = {}
    boss = BossRemote()
    for store, files in json.load(sys.stdin).items():
        stored = {name: np.load(file) for name, file in files.items()}
        found[store] = {}
        for part in (reading, labels, projects, people, writing):
            for call, run in part(boss, store, stored):
                found[store][call] = failure(run)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
