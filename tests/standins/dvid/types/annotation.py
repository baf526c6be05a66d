"""Points in space with a kind, tags, properties and relations: synapses, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, as_json, done, point, unsigned, xyz
from standins.dvid.instances import Synced, Tagged, route
from standins.dvid.types.elements import Element, Told, checked
from standins.dvid.types.labelblk import LabelBlocks
from standins.dvid.types.labelmap.instance import LabelMap
from standins.dvid.types.labelmap.state import View
from standins.dvid.types.roi import roi_of
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import Region, region


class Annotation(Tagged, Synced):
    """Elements by their position."""

    typename, source = "annotation", "annotation"

    def create(self, options: Mapping[str, str]) -> None:
        """Start empty."""
        self._elements: Versioned[Xyz, Element] = Versioned()
        self._told: Versioned[int, list[Element]] = Versioned()

    @property
    def block_size(self) -> Xyz:
        """The blocks of the labels that are followed, if any are."""
        labels = self.followed(LabelMap) or self.followed(LabelBlocks)
        return labels.block_size if labels else (64, 64, 64)

    def elements(self, node: Node) -> list[Element]:
        """All elements, in the order z, y, x."""
        found = self._elements.items(node)
        return [found[place] for place in sorted(found, key=lambda place: place[::-1])]

    def with_labels(self, node: Node) -> list[tuple[int, Element]]:
        """All elements with the bodies that they lie in; none where no labels are followed."""
        bodies, view = self.followed(LabelMap), View(0, supervoxels=False)
        if bodies:
            return [(bodies.label_at(node, view, _place(element)), element) for element in self.elements(node)]
        labels = self.followed(LabelBlocks)
        return [(labels.label_at(node, _place(one)), one) for one in self.elements(node)] if labels else []

    @route("POST", "elements")
    def post_elements(self, node: Node, call: Call) -> Response:
        """Store elements in place of those at the same positions."""
        self._store(node, call.json(list[Told]))
        return done()

    def _store(self, node: Node, told: Iterable[Told]) -> None:
        for element in [checked(element) for element in told]:
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
        for place, elements in call.json(dict[str, list[Told]]).items():
            if len(point(place, ",")) != 3:
                raise Refusal(f'expected block coordinates "x,y,z", got "{place}"')
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
        label = call.label()
        told = self._told.get(node, label) or []
        return _listed(told + [element for own, element in self.with_labels(node) if own == label], call)

    @route("POST", "labels")
    def post_labels(self, node: Node, call: Call) -> Response:
        """Store the elements of bodies, told in JSON within JSON, beside those that follow from positions."""
        if len(call.parts) > 1:
            raise Refusal("Extraneous arguments after POST /labels endpoint.")
        for label, text in call.json(dict[str, str]).items():
            elements = replace(call, body=text.encode()).json(list[Told])
            self._told.put(node, unsigned(label), [checked(element) for element in elements])
        return done()

    @route("GET", "scan")
    def scan(self, node: Node, call: Call) -> Response:
        """How many blocks hold elements."""
        blocks = {self._block(element) for element in self.elements(node)}
        return as_json({"num kv pairs": len(blocks), "num empty blocks": 0})

    @route("GET", "roi")
    def get_roi(self, node: Node, call: Call) -> Response:
        """The elements in an ROI."""
        roi, version = roi_of(self.repo, node, call.part(1))
        elements = self.elements(node)
        inside = roi.contains(version, map(_place, elements))
        return as_json([element for element, within in zip(elements, inside, strict=True) if within] or None)

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


def _inside(element: Element, asked_for: Region) -> bool:
    axes = zip(_place(element), asked_for.offset, asked_for.size, strict=True)
    return all(start <= n < start + size for n, start, size in axes)


def _redirected(relation: Element, old: Xyz, new: Xyz | None) -> Element | None:
    if tuple(relation["To"]) != old:
        return relation
    return {**relation, "To": list(new)} if new else None


def _listed(elements: list[Element], call: Call) -> Response:
    if call.flag("relationships", "verbose"):
        return as_json(elements)
    return as_json([{key: value for key, value in element.items() if key != "Rels"} for element in elements])
