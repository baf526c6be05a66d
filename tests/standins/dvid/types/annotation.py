"""Points with a kind, tags, properties and relations, such as synapses and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, empty_response, json_response, point, unsigned, xyz
from standins.dvid.instances import Synced, Tagged, route
from standins.dvid.types.elements import Element, ElementJson, parse_element
from standins.dvid.types.labelblk import LabelBlocks
from standins.dvid.types.labelmap.instance import LabelMap
from standins.dvid.types.labelmap.state import View
from standins.dvid.types.roi import find_roi
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import Region, parse_region


class Annotation(Tagged, Synced):
    """Elements by position."""

    typename, source = "annotation", "annotation"

    def create(self, options: Mapping[str, str]) -> None:
        """Create an empty instance."""
        self._elements: Versioned[Xyz, Element] = Versioned()
        self._assigned: Versioned[int, list[Element]] = Versioned()

    @property
    def block_size(self) -> Xyz:
        """Block size of the synced labels, if any."""
        labels = self.synced(LabelMap) or self.synced(LabelBlocks)
        return labels.block_size if labels else (64, 64, 64)

    def elements(self, node: Node) -> list[Element]:
        """Return all elements, sorted by z, y, x."""
        found = self._elements.items(node)
        return [found[position] for position in sorted(found, key=lambda position: position[::-1])]

    def with_labels(self, node: Node) -> list[tuple[int, Element]]:
        """Return all elements with their bodies; empty if no labels are synced."""
        bodies, view = self.synced(LabelMap), View(0, supervoxels=False)
        if bodies:
            return [(bodies.label_at(node, view, _position(element)), element) for element in self.elements(node)]
        labels = self.synced(LabelBlocks)
        return [(labels.label_at(node, _position(one)), one) for one in self.elements(node)] if labels else []

    @route("POST", "elements")
    def post_elements(self, node: Node, call: Call) -> Response:
        """Store elements, replacing those at the same positions."""
        self._store(node, call.json(list[ElementJson]))
        return empty_response()

    def _store(self, node: Node, elements: Iterable[ElementJson]) -> None:
        for element in [parse_element(element) for element in elements]:
            self._elements.put(node, _position(element), element)

    @route("GET", "elements")
    def get_elements(self, node: Node, call: Call) -> Response:
        """Return the elements in a region; ``null`` if there are none."""
        region = parse_region(call.part(1), call.part(2))
        return json_response([element for element in self.elements(node) if _inside(element, region)] or None)

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """Return the elements of the blocks that a region touches, by block."""
        block_coords = set(parse_region(call.part(1), call.part(2)).blocks(self.block_size))
        return self._by_block(node, lambda position: position in block_coords)

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Store elements that are sent by block."""
        for position, elements in call.json(dict[str, list[ElementJson]]).items():
            if len(point(position, ",")) != 3:
                raise Refusal(f'expected block coordinates "x,y,z", got "{position}"')
            self._store(node, elements)
        return empty_response()

    @route("GET", "all-elements")
    def get_all(self, node: Node, call: Call) -> Response:
        """Return all elements by block."""
        return self._by_block(node, lambda position: True)

    def _by_block(self, node: Node, select: Callable[[Xyz], bool]) -> Response:
        blocks: dict[str, list[Element]] = {}
        for element in self.elements(node):
            block = self._block(element)
            if select(block):
                blocks.setdefault(",".join(map(str, block)), []).append(element)
        return json_response(blocks)

    def _block(self, element: Element) -> Xyz:
        x, y, z = (n // b for n, b in zip(_position(element), self.block_size, strict=True))
        return x, y, z

    @route("GET", "tag")
    def get_tag(self, node: Node, call: Call) -> Response:
        """Return the elements with a tag."""
        tag = call.part(1)
        return _elements_response([element for element in self.elements(node) if tag in element["Tags"]], call)

    @route("GET", "label")
    def get_label(self, node: Node, call: Call) -> Response:
        """Return the elements in a body."""
        label = call.label()
        assigned = self._assigned.get(node, label) or []
        inside = [element for body, element in self.with_labels(node) if body == label]
        return _elements_response(assigned + inside, call)

    @route("POST", "labels")
    def post_labels(self, node: Node, call: Call) -> Response:
        """Assign elements to bodies (JSON within JSON), in addition to those at positions in the bodies."""
        if len(call.parts) > 1:
            raise Refusal("Extraneous arguments after POST /labels endpoint.")
        for label, text in call.json(dict[str, str]).items():
            elements = replace(call, body=text.encode()).json(list[ElementJson])
            self._assigned.put(node, unsigned(label), [parse_element(element) for element in elements])
        return empty_response()

    @route("GET", "scan")
    def scan(self, node: Node, call: Call) -> Response:
        """Return the number of blocks that contain elements."""
        blocks = {self._block(element) for element in self.elements(node)}
        return json_response({"num kv pairs": len(blocks), "num empty blocks": 0})

    @route("GET", "roi")
    def get_roi(self, node: Node, call: Call) -> Response:
        """Return the elements in an ROI."""
        roi, version = find_roi(self.repo, node, call.part(1))
        elements = self.elements(node)
        inside = roi.contains(version, map(_position, elements))
        return json_response([element for element, within in zip(elements, inside, strict=True) if within] or None)

    @route("DELETE", "element")
    def delete_element(self, node: Node, call: Call) -> Response:
        """Delete an element and the relations to it."""
        position = xyz(call.part(1))
        self._require(node, position)
        self._elements.delete(node, position)
        self._redirect(node, position, None)
        return empty_response()

    @route("POST", "move")
    def move_element(self, node: Node, call: Call) -> Response:
        """Move an element and update the relations to it."""
        start, end = xyz(call.part(1)), xyz(call.part(2))
        element = self._require(node, start)
        self._elements.delete(node, start)
        self._elements.put(node, end, {**element, "Pos": list(end)})
        self._redirect(node, start, end)
        return empty_response()

    def _require(self, node: Node, position: Xyz) -> Element:
        element = self._elements.get(node, position)
        if element is None:
            raise Refusal(f"Did not find element ({','.join(map(str, position))}) in datastore")
        return element

    def _redirect(self, node: Node, old: Xyz, new: Xyz | None) -> None:
        for element in self.elements(node):
            if any(tuple(relation["To"]) == old for relation in element["Rels"]):
                relations = [_redirect_relation(relation, old, new) for relation in element["Rels"]]
                self._elements.put(
                    node, _position(element), {**element, "Rels": [r for r in relations if r is not None]}
                )

    @route("POST", "reload")
    def reload(self, node: Node, call: Call) -> Response:
        """Do nothing: look-ups are computed on request."""
        return empty_response()


def _position(element: Element) -> Xyz:
    x, y, z = element["Pos"]
    return x, y, z


def _inside(element: Element, region: Region) -> bool:
    axes = zip(_position(element), region.offset, region.size, strict=True)
    return all(start <= n < start + size for n, start, size in axes)


def _redirect_relation(relation: Element, old: Xyz, new: Xyz | None) -> Element | None:
    if tuple(relation["To"]) != old:
        return relation
    return {**relation, "To": list(new)} if new else None


def _elements_response(elements: list[Element], call: Call) -> Response:
    if call.flag("relationships", "verbose"):
        return json_response(elements)
    return json_response([{key: value for key, value in element.items() if key != "Rels"} for element in elements])
