"""Connections of bodies: their synapses, and the bodies of the partner points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.elements import Element, element_rows, relation_rows
from voxome.remotes.dvid.instance import WORKERS, as_labels
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.http import fan_out


class Connections:
    """Connections of bodies, from their synapses and the labels at the partner points.

    Parameters
    ----------
    synapses : AnnotationInstance
        Annotations synced with the labels.
    labels : Labels
        Labels that give the body at a point.
    """

    def __init__(self, synapses: AnnotationInstance, labels: Labels) -> None:
        self.synapses, self.labels = synapses, labels

    def synapse_rows(self, bodies: Iterable[int]) -> Rows:
        """Return the synaptic points of some bodies.

        Returns
        -------
        table
            ``body`` and the columns of `element_rows`; one row per element.
        """
        labels, elements = self._synapses(bodies)
        return _join_rows(labels, elements, element_rows)

    def partner_rows(self, bodies: Iterable[int]) -> Rows:
        """Return every connection of some bodies.

        Returns
        -------
        table
            ``body`` and the columns of `relation_rows`; ``direction`` (``"downstream"`` if the body is presynaptic,
            else ``"upstream"``) and ``partner`` (the body at the partner point, or 0); one row per relation.
        """
        labels, elements = self._synapses(bodies)
        rows = _join_rows(labels, elements, relation_rows)
        downstream, upstream = rows["relation"] == "PreSynTo", rows["relation"] == "PostSynTo"
        rows["direction"] = np.where(downstream, "downstream", "upstream")
        rows = {name: values[downstream | upstream] for name, values in rows.items()}
        points = np.column_stack([rows[f"partner_{axis}"] for axis in "zyx"])
        return {**rows, "partner": self.labels.at(points)}

    def counts(self, bodies: Iterable[int]) -> Rows:
        """Count the synapses of some bodies.

        Returns
        -------
        table
            ``body``, ``pre`` and ``post`` (elements of kind PreSyn and PostSyn), in the order of `bodies`.
        """
        labels, elements = self._synapses(bodies)
        kinds = [[element.kind for element in of_body] for of_body in elements]
        return {
            "body": labels,
            "pre": np.array([kind.count("PreSyn") for kind in kinds], np.int64),
            "post": np.array([kind.count("PostSyn") for kind in kinds], np.int64),
        }

    def connectivity(self, bodies: Iterable[int]) -> Rows:
        """Count the synapses of some bodies with each of their partners, including the bodies themselves.

        Returns
        -------
        table
            ``body, partner, direction, synapses``; for each body upstream before downstream, strongest first.
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
        """Count the synapses from each source to each target; requests the synapses of the smaller set only.

        Returns
        -------
        (sources, targets) array of int64

        Raises
        ------
        InvalidInput
            If a body occurs twice among the sources, or among the targets.
        """
        pre, post = as_labels(sources), as_labels(targets)
        for name, bodies in (("sources", pre), ("targets", post)):
            if len(np.unique(bodies)) < len(bodies):
                raise InvalidInput(f"a body occurs twice among the {name}; pass each body once")
        from_sources = len(pre) <= len(post)
        rows = self.connectivity(pre if from_sources else post)
        selected = rows["direction"] == ("downstream" if from_sources else "upstream")
        body, partner, synapses = (rows[name][selected] for name in ("body", "partner", "synapses"))
        source, target = (body, partner) if from_sources else (partner, body)
        row, has_row = _find(pre, source)
        column, has_column = _find(post, target)
        known = has_row & has_column
        out = np.zeros((len(pre), len(post)), np.int64)
        out[row[known], column[known]] = synapses[known]
        return out

    def _synapses(self, bodies: Iterable[int]) -> tuple[NDArray[np.uint64], list[list[Element]]]:
        labels = as_labels(bodies)
        return labels, fan_out(self.synapses.by_label, labels.tolist(), workers=WORKERS)


def _join_rows(
    bodies: NDArray[np.uint64], elements: Sequence[Sequence[Element]], rows_of: Callable[[Sequence[Element]], Rows]
) -> Rows:
    """Return one table of the elements of several bodies, with a column ``body``."""
    parts = [rows_of(of_body) for of_body in elements] or [rows_of([])]
    lengths = [len(part["z"]) for part in parts][: len(bodies)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {"body": np.repeat(bodies, lengths), **columns}


def _find(known: NDArray[np.uint64], values: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index of each value in `known`, and whether it is there at all."""
    order = np.argsort(known)
    at = np.searchsorted(known, values, sorter=order).clip(max=max(len(known) - 1, 0))
    if not len(known):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    indices = order[at]
    return indices, known[indices] == values
