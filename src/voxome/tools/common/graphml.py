"""GraphML documents, of a size that programs can read."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

MAX_ITEMS = 2_000_000
"""Maximum number of nodes and edges for GraphML; tables have no limit."""
_LOG = logging.getLogger(__name__)


def graphml_document(count: int, make_graph: Callable[[], nx.Graph]) -> bytes:
    """Return a graph as a GraphML document (Brandes et al. 2002) in UTF-8.

    Parameters
    ----------
    count : int
        Number of its nodes and edges. With more than `MAX_ITEMS`, the document has none, but the attribute ``left_out``
        that says why, as does a warning: the tables and what else a step computes are not lost.
    make_graph : function
        Returns the graph.
    """
    import networkx as nx  # takes 0.1 s

    if count > MAX_ITEMS:
        reason = f"GraphML is left out: {count} nodes and edges exceed its maximum, {MAX_ITEMS}; use the tables"
        _LOG.warning("%s", reason)
        graph = nx.Graph(left_out=reason)
    else:
        graph = make_graph()
    stream = io.BytesIO()
    nx.write_graphml_xml(graph, stream, encoding="utf-8", prettyprint=True)
    return stream.getvalue()
