"""Points in space with a kind, tags, properties and relations: synapses, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.responses import Response

from voxome.testing.dvid.calls import Call, Refusal, Xyz, as_json, done, xyz
from voxome.testing.dvid.instances import Synced, Tagged, route, triple
from voxome.testing.dvid.types.labelmap.instance import LabelMap
from voxome.testing.dvid.types.labelmap.state import View
from voxome.testing.dvid.types.roi import Roi
from voxome.testing.dvid.versions import Node, Versioned
from voxome.testing.dvid.voxels import Region, region

Element = Mapping[str, Any]

_KINDS = {"Unknown", "PostSyn", "PreSyn", "Gap", "Note"}
_RELATIONS = {"UnknownRelationship", "PostSynTo", "PreSynTo", "ConvergentTo", "GroupedWith"}


class Annotation(Tagged, Synced):
    """Elements by their position."""

    typename, source = "annotation", "annotation"

    def create(self, options: Mapping[str, str]) -> None:
        """Read the options of its creation."""
        x, y, z = map(int, triple(options, "blocksize", 64))
        self.block_size: Xyz = (x, y, z)
        self._elements: Versioned[Xyz, Element] = Versioned()

    def elements(self, node: Node) -> list[Element]:
        """All elements, in the order z, y, x."""
        found = self._elements.items(node)
        return [found[place] for place in sorted(found, key=lambda place: place[::-1])]

    def with_labels(self, node: Node) -> list[tuple[int, Element]]:
        """All elements with the bodies that they lie in."""
        labels = self.followed(LabelMap)
        if labels is None:
            raise Refusal(f'no labels are synced with annotation "{self.name}"')
        view = View(0, supervoxels=False)
        return [(labels.label_at(node, view, _place(element)), element) for element in self.elements(node)]

    @route("POST", "elements")
    def post_elements(self, node: Node, call: Call) -> Response:
        """Store elements in place of those at the same positions."""
        self._store(node, call.json(list[dict[str, Any]]))
        return done()

    def _store(self, node: Node, told: Iterable[Any]) -> None:
        for element in [_checked(element) for element in told]:
            self._elements.put(node, _place(element), element)

    @route("GET", "elements")
    def get_elements(self, node: Node, call: Call) -> Response:
        """The elements in a region; ``null`` where there is none."""
        asked_for = region(call.part(1), call.part(2))
        return as_json([element for element in self.elements(node) if _inside(element, asked_for)] or None)

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """The elements of the blocks that a region touches, by block."""
        places = set(region(call.part(1), call.part(2)).blocks(self.block_size))
        return self._by_block(node, lambda place: place in places)

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Store elements that come by block."""
        for elements in call.json(dict[str, list[dict[str, Any]]]).values():
            self._store(node, elements)
        return done()

    @route("GET", "all-elements")
    def get_all(self, node: Node, call: Call) -> Response:
        """All elements by block."""
        return self._by_block(node, lambda place: True)

    def _by_block(self, node: Node, wanted: Callable[[Xyz], bool]) -> Response:
        blocks: dict[str, list[Element]] = {}
        for element in self.elements(node):
            block = self._block(element)
            if wanted(block):
                blocks.setdefault(",".join(map(str, block)), []).append(element)
        return as_json(blocks)

    def _block(self, element: Element) -> Xyz:
        x, y, z = (n // b for n, b in zip(_place(element), self.block_size, strict=True))
        return x, y, z

    @route("GET", "tag")
    def get_tag(self, node: Node, call: Call) -> Response:
        """The elements with a tag."""
        tag = call.part(1)
        return _listed([element for element in self.elements(node) if tag in element["Tags"]], call)

    @route("GET", "label")
    def get_label(self, node: Node, call: Call) -> Response:
        """The elements in a body."""
        label = call.number(1)
        return _listed([element for own, element in self.with_labels(node) if own == label], call)

    @route("GET", "roi")
    def get_roi(self, node: Node, call: Call) -> Response:
        """The elements in an ROI."""
        roi = self.repo.instance(call.part(1).split(",")[0])
        if not isinstance(roi, Roi):
            raise Refusal(f'"{roi.name}" is not an ROI')
        return as_json([element for element in self.elements(node) if roi.contains(node, [_place(element)])[0]])

    @route("DELETE", "element")
    def delete_element(self, node: Node, call: Call) -> Response:
        """Forget an element and the relations to it."""
        place = xyz(call.part(1))
        self._found(node, place)
        self._elements.delete(node, place)
        self._redirect(node, place, None)
        return done()

    @route("POST", "move")
    def move_element(self, node: Node, call: Call) -> Response:
        """Move an element; the relations to it follow."""
        start, end = xyz(call.part(1)), xyz(call.part(2))
        element = self._found(node, start)
        self._elements.delete(node, start)
        self._elements.put(node, end, {**element, "Pos": list(end)})
        self._redirect(node, start, end)
        return done()

    def _found(self, node: Node, place: Xyz) -> Element:
        element = self._elements.get(node, place)
        if element is None:
            raise Refusal(f"Did not find element ({','.join(map(str, place))}) in datastore")
        return element

    def _redirect(self, node: Node, old: Xyz, new: Xyz | None) -> None:
        for element in self.elements(node):
            if any(tuple(relation["To"]) == old for relation in element["Rels"]):
                moved = [_redirected(relation, old, new) for relation in element["Rels"]]
                self._elements.put(node, _place(element), {**element, "Rels": [r for r in moved if r is not None]})

    @route("POST", "reload")
    def reload(self, node: Node, call: Call) -> Response:
        """Nothing to do: look-ups are made when they are asked for."""
        return done()


def _place(element: Element) -> Xyz:
    x, y, z = element["Pos"]
    return x, y, z


def _checked(told: Any) -> Element:
    kind, relations = told.get("Kind", "Unknown"), told.get("Rels") or []
    if kind not in _KINDS:
        raise Refusal(f'Unknown element type in JSON: "{kind}"')
    for relation in relations:
        if relation.get("Rel") not in _RELATIONS:
            raise Refusal(f'Unknown relationship type in JSON: "{relation.get("Rel")}"')
    if len(told.get("Pos") or ()) != 3:
        raise Refusal("element must have a position of three coordinates")
    tags, properties = told.get("Tags") or [], told.get("Prop") or {}
    return {"Pos": told["Pos"], "Kind": kind, "Tags": tags, "Prop": properties, "Rels": relations}


def _inside(element: Element, asked_for: Region) -> bool:
    axes = zip(_place(element), asked_for.offset, asked_for.size, strict=True)
    return all(start <= n < start + size for n, start, size in axes)


def _redirected(relation: Element, old: Xyz, new: Xyz | None) -> Element | None:
    if tuple(relation["To"]) != old:
        return relation
    return {**relation, "To": list(new)} if new else None


def _listed(elements: list[Element], call: Call) -> Response:
    if call.flag("relationships"):
        return as_json(elements)
    return as_json([{key: value for key, value in element.items() if key != "Rels"} for element in elements])
