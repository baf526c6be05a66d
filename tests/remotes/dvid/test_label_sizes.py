"""Counts of annotated points against recorded responses of a real server."""

from __future__ import annotations

import pytest

from voxome.errors import UnknownName
from voxome.remotes.dvid.label_sizes import LabelSizes


def test_recorded_responses_are_parsed(recorded_node):
    sizes = LabelSizes(recorded_node, "synapses_labelsz")
    assert sizes.counts([1004, 1115, 1010], "PreSyn").tolist() == [1, 0, 0]
    top = sizes.top(3, "PostSyn")
    assert (top["body"].tolist(), top["count"].tolist()) == ([1115], [1])
    with pytest.raises(UnknownName, match="did you mean 'PreSyn'"):
        sizes.counts([1], "PreSynn")
