"""Connections of bodies: their synapses, and the bodies that their partners lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.remotes.dvid.annotations import Annotations
from voxome.remotes.dvid.elements import Element, element_rows, relation_rows
from voxome.remotes.dvid.instance import WORKERS, as_labels
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.http import fan_out


class Connections:
    """Who connects to whom: synapses of bodies, their partners looked up in the labels.

    Parameters
    ----------
    synapses : Annotations
        Synced with the labels.
    labels : Labels
        Which body each point is in.
    """

    def __init__(self, synapses: Annotations, labels: Labels) -> None:
        self.synapses, self.labels = synapses, labels

    def synapse_rows(self, bodies: Iterable[int]) -> Rows:
        """The synaptic points of some bodies.

        Returns
        -------
        table
            ``body``, and a row an element as in `element_rows`.
        """
        wanted, found = self._synapses(bodies)
        return _table(wanted, found, element_rows)

    def partner_rows(self, bodies: Iterable[int]) -> Rows:
        """Every connection of some bodies.

        Returns
        -------
        table
            ``body``; a row a relation as in `relation_rows`; ``direction`` (``"downstream"``: the body gives to the
            partner, or ``"upstream"``) and ``partner`` (the body at the partner's point, 0 where there is none).
        """
        wanted, found = self._synapses(bodies)
        rows = _table(wanted, found, relation_rows)
        downstream, upstream = rows["relation"] == "PreSynTo", rows["relation"] == "PostSynTo"
        rows["direction"] = np.where(downstream, "downstream", "upstream")
        rows = {name: values[downstream | upstream] for name, values in rows.items()}
        points = np.column_stack([rows[f"partner_{axis}"] for axis in "zyx"])
        return {**rows, "partner": self.labels.at(points)}

    def counts(self, bodies: Iterable[int]) -> Rows:
        """How many synapses some bodies have.

        Returns
        -------
        table
            ``body``, ``pre`` and ``post`` (elements of kind PreSyn and PostSyn), in the order asked for.
        """
        wanted, found = self._synapses(bodies)
        kinds = [[element.kind for element in elements] for elements in found]
        return {
            "body": wanted,
            "pre": np.array([kind.count("PreSyn") for kind in kinds], np.int64),
            "post": np.array([kind.count("PostSyn") for kind in kinds], np.int64),
        }

    def connectivity(self, bodies: Iterable[int]) -> Rows:
        """How many synapses join some bodies with each of their partners, the bodies themselves among them.

        Returns
        -------
        table
            ``body, partner, direction, synapses``; for each body upstream before downstream, the strongest first.
        """
        rows = self.partner_rows(bodies)
        downstream = rows["direction"] == "downstream"
        keys = np.column_stack([rows["body"], downstream.astype(np.uint64), rows["partner"]])
        pairs, synapses = np.unique(keys, axis=0, return_counts=True)
        order = np.lexsort((-synapses, pairs[:, 1], pairs[:, 0]))
        body, is_downstream, partner = pairs[order].T
        direction = np.where(is_downstream == 1, "downstream", "upstream")
        columns = {"body": body, "partner": partner, "direction": direction}
        return {**columns, "synapses": synapses[order].astype(np.int64)}

    def adjacency(self, sources: Sequence[int], targets: Sequence[int]) -> NDArray[np.int64]:
        """How many synapses go from each source to each target; the smaller of the two sets is asked for.

        Returns
        -------
        (sources, targets) array of int64

        Raises
        ------
        InvalidInput
            If a body is among the sources, or among the targets, twice.
        """
        pre, post = as_labels(sources), as_labels(targets)
        for what, given in (("sources", pre), ("targets", post)):
            if len(np.unique(given)) < len(given):
                raise InvalidInput(f"a body is among the {what} twice")
        from_sources = len(pre) <= len(post)
        rows = self.connectivity(pre if from_sources else post)
        chosen = rows["direction"] == ("downstream" if from_sources else "upstream")
        body, partner, synapses = (rows[name][chosen] for name in ("body", "partner", "synapses"))
        here, there = (body, partner) if from_sources else (partner, body)
        row, known_row = _places(pre, here)
        column, known_column = _places(post, there)
        known = known_row & known_column
        out = np.zeros((len(pre), len(post)), np.int64)
        out[row[known], column[known]] = synapses[known]
        return out

    def _synapses(self, bodies: Iterable[int]) -> tuple[NDArray[np.uint64], list[list[Element]]]:
        wanted = as_labels(bodies)
        return wanted, fan_out(self.synapses.of_label, wanted.tolist(), workers=WORKERS)


def _table(
    bodies: NDArray[np.uint64], found: Sequence[Sequence[Element]], rows_of: Callable[[Sequence[Element]], Rows]
) -> Rows:
    """One table of the elements of several bodies, with a column that names them."""
    parts = [rows_of(elements) for elements in found] or [rows_of([])]
    lengths = [len(part["z"]) for part in parts][: len(bodies)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {"body": np.repeat(bodies, lengths), **columns}


def _places(known: NDArray[np.uint64], values: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where in `known` each value is, and whether it is there at all."""
    order = np.argsort(known)
    at = np.searchsorted(known, values, sorter=order).clip(max=max(len(known) - 1, 0))
    if not len(known):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    places = order[at]
    return places, known[places] == values
