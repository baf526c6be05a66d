"""Unexpected responses give valid data or an error of voxome, never another exception."""

from __future__ import annotations

import pytest
from remotes.dvid.recorded import ROOT
from standins.faulty_proxy import Answer, Cut, FaultyProxy

from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, StoreError, VoxomeError
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.remotes import http
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.connections import Connections
from voxome.remotes.dvid.keyvalue import KeyValue
from voxome.remotes.dvid.label_sizes import LabelSizes
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.morphology import Meshes, Skeletons, region_mesh
from voxome.remotes.dvid.neurons import Neurons
from voxome.remotes.dvid.node import DvidApi, Node
from voxome.remotes.dvid.remote import DvidRemote
from voxome.remotes.dvid.repos import Dvid
from voxome.remotes.dvid.roi import Roi
from voxome.remotes.dvid.supervoxels import SupervoxelFiles
from voxome.remotes.dvid.versions import DvidNode

pytestmark = pytest.mark.slow

BOX = Box((0, 0, 0), (9, 9, 9))
REQUESTS = {
    "at": lambda node: Labels(node, "i").at([[1, 2, 3]]),
    "bodies_of": lambda node: Labels(node, "i").bodies_of([1]),
    "sizes": lambda node: Labels(node, "i").sizes([1]),
    "size": lambda node: Labels(node, "i").size(1),
    "supervoxels": lambda node: Labels(node, "i").supervoxels(1),
    "supervoxel_sizes": lambda node: Labels(node, "i").supervoxel_sizes(1),
    "bounding_box": lambda node: Labels(node, "i").bounding_box(1),
    "all_bodies": lambda node: Labels(node, "i").all_bodies(),
    "list_bodies": lambda node: Labels(node, "i").list_bodies(),
    "mappings": lambda node: Labels(node, "i").mappings(),
    "max_label": lambda node: Labels(node, "i").max_label,
    "next_label": lambda node: Labels(node, "i").next_label,
    "reserve": lambda node: Labels(node, "i").reserve(2),
    "voxel_size_nm": lambda node: Labels(node, "i").voxel_size_nm,
    "runs": lambda node: Labels(node, "i").runs(1),
    "blocks": lambda node: Labels(node, "i").blocks(1),
    "blocks_between": lambda node: Labels(node, "i").blocks_between(1, 2),
    "index": lambda node: Labels(node, "i").index(1),
    "indices": lambda node: Labels(node, "i").indices([1]),
    "proximity": lambda node: Labels(node, "i").proximity(1, [2]),
    "merge": lambda node: Labels(node, "i").merge(1, [2]),
    "cleave": lambda node: Labels(node, "i").cleave(1, [2]),
    "split": lambda node: Labels(node, "i").split_supervoxel(1, Runs.from_table([[0, 0, 0, 1]])),
    "renumber": lambda node: Labels(node, "i").renumber({1: 2}),
    "mutations": lambda node: Labels(node, "i").mutations(),
    "history": lambda node: Labels(node, "i").history(1, "a", "b"),
    "last_edit": lambda node: Labels(node, "i").last_edit(1),
    "splits": lambda node: Labels(node, "i").splits(),
    "keys": lambda node: list(KeyValue(node, "i")),
    "key in": lambda node: "a" in KeyValue(node, "i"),
    "get_json": lambda node: KeyValue(node, "i").get_json("a"),
    "keys_between": lambda node: KeyValue(node, "i").keys_between("a", "b"),
    "get_many": lambda node: KeyValue(node, "i").get_many(["a"]),
    "within": lambda node: AnnotationInstance(node, "i").within(BOX),
    "by_label": lambda node: AnnotationInstance(node, "i").by_label(1),
    "all elements": lambda node: AnnotationInstance(node, "i").all(),
    "connectivity": lambda node: Connections(AnnotationInstance(node, "i"), Labels(node, "j")).connectivity([1]),
    "counts": lambda node: LabelSizes(node, "i").counts([1]),
    "top": lambda node: LabelSizes(node, "i").top(1),
    "roi": lambda node: Roi(node, "i").runs(),
    "mask": lambda node: Roi(node, "i").mask(BOX),
    "contains": lambda node: Roi(node, "i").contains([[1, 2, 3]]),
    "partition": lambda node: Roi(node, "i").partition(2),
    "neuron": lambda node: Neurons(node, "i").get(1),
    "neurons": lambda node: Neurons(node, "i").get_many([1]),
    "bodies": lambda node: Neurons(node, "i").bodies(),
    "fields": lambda node: Neurons(node, "i").fields(),
    "query": lambda node: Neurons(node, "i").query({"a": 1}),
    "query_bodies": lambda node: Neurons(node, "i").query_bodies({"a": 1}),
    "table": lambda node: Neurons(node, "i").table(),
    "exist": lambda node: SupervoxelFiles(node, "i").exist([1]),
    "missing": lambda node: SupervoxelFiles(node, "i").missing(1),
    "by_body": lambda node: SupervoxelFiles(node, "i").by_body(1),
    "mesh": lambda node: Meshes(node, "i").get(1),
    "skeleton": lambda node: Skeletons(node, "i").get(1),
    "region": lambda node: region_mesh(node, "i"),
    "repos": lambda node: Dvid(node.api).repos,
    "server": lambda node: Dvid(node.api).info,
    "types": lambda node: Dvid(node.api).types,
    "a repo": lambda node: Dvid(node.api).repo("aaa:b"),
    "a version": lambda node: Dvid(node.api).node("aaa"),
    "create_repo": lambda node: Dvid(node.api).create_repo("a"),
    "instances": lambda node: node.instances(),
    "versions": lambda node: DvidNode(node).versions,
    "branch_versions": lambda node: DvidNode(node).branch_versions(),
    "locked": lambda node: DvidNode(node).locked,
    "note": lambda node: DvidNode(node).note,
    "log": lambda node: DvidNode(node).log,
    "new_version": lambda node: DvidNode(node).new_version(),
    "branch": lambda node: DvidNode(node).branch("b"),
    "tag": lambda node: DvidNode(node).tag("t"),
    "open": lambda node: DvidRemote().open(Uri("dvid", f"{node.api.base.removeprefix('http://')}/{ROOT}/i")),
    "list": lambda node: list(DvidRemote().list(Uri("dvid", node.api.base.removeprefix("http://")))),
}
BODIES = [
    b"",
    b"\0" * 7,
    b"\xff" * 33,
    b"<html>sign in</html>",
    b"null",
    b"7",
    b"-7.5",
    b'"a"',
    b"{}",
    b"[[]]",
    b"[{}]",
    b"[-1]",
    b'[1, "a", null]',
    b'{"a": [1]}',
    b'[{"bodyid": []}]',
    b'{"voxels": "many", "maxlabel": null, "Base": {}, "Extended": {"BlockSize": 7}}',
]
MAY_BE_EMPTY = {b"", b"null", b"{}", b"[[]]", b"[{}]"}


@pytest.fixture(scope="module")
def proxy():
    with FaultyProxy() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_unexpected_bodies_are_refused(proxy, name):
    node = Node(DvidApi(proxy.url, retries=0), ROOT)
    accepted = set()
    for body in BODIES:
        proxy.reset()
        proxy.chance(1, Answer(200, body), seed=0)
        try:
            REQUESTS[name](node)
        except VoxomeError:
            pass
        else:
            accepted.add(body)
    lenient = {"renumber", "get_json", "neuron", "neurons", "max_label"}
    assert len(accepted) <= len(MAY_BE_EMPTY) or name in lenient, accepted


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_failing_servers_are_named(proxy, name, monkeypatch):
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)
    node = Node(DvidApi(proxy.url, retries=0), ROOT)
    for fault in (Answer(500, b"a panic"), Cut(), Cut(0)):
        proxy.reset()
        proxy.chance(1, fault, seed=0)
        with pytest.raises(StoreError, match=proxy.url):
            REQUESTS[name](node)


def test_unexpected_descriptions_of_a_repo_are_refused(proxy):
    uri = Uri("dvid", f"{proxy.url.removeprefix('http://')}/{ROOT}/i")
    for body in BODIES:
        proxy.reset()
        proxy.script("/i/info", Answer(200, b'{"Base": {"TypeName": "annotation"}, "Extended": {}}'))
        proxy.chance(1, Answer(200, body), seed=0)
        with pytest.raises(VoxomeError):
            DvidRemote().open(uri)


def test_a_truncated_body_is_requested_again_or_refused(proxy, recorded):
    node = Node(DvidApi(proxy.url, retries=2), ROOT)
    proxy.reset()
    proxy.script(
        "/labels", Answer(503, b"Server already running 1 throttled operations (max = 1)"), Cut(), Answer(200, b"[5]")
    )
    assert Labels(node, "i").at([[1, 2, 3]]).tolist() == [5]
    proxy.script("/labels", Answer(200, b"[5, 6]"))
    with pytest.raises(CorruptData, match="i: the server sent 2 results for 1 items"):
        Labels(node, "i").at([[1, 2, 3]])


def test_an_edit_is_not_sent_twice(proxy):
    node = Node(DvidApi(proxy.url, retries=3), ROOT)
    proxy.reset()
    proxy.script("/sizes", Answer(200, b"[5, 5]"))
    proxy.script("/merge", Cut(), Cut(), Answer(200, b'{"MutationID": 7}'))
    with pytest.raises(StoreError):
        Labels(node, "i").merge(1, [2])
    assert [request.method for request in proxy.seen].count("POST") == 1
