from __future__ import annotations

import re

import numpy as np

from voxome.reports.sizes import size_histogram, size_rows


def test_every_neuron_is_in_one_bin() -> None:
    volumes = np.random.default_rng(0).lognormal(-3, 2, 500).tolist()
    counts = re.findall(r"<title>(\d+) from ([\d.e+-]+) to", size_histogram(volumes))
    assert sum(int(count) for count, _ in counts) == 500
    assert size_histogram([0.1]).count("<rect") == 1
    assert size_histogram([]) == ""


def test_quantiles_are_those_of_the_volumes() -> None:
    rows = dict(size_rows([0.5, 1.0, 4.0]))
    assert (rows["smallest"], rows["median"], rows["largest"], rows["all together"]) == ("0.5", "1", "4", "5.5")
    assert size_rows([]) == []
