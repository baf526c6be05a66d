from __future__ import annotations

import numpy as np

from voxome.reports.colours import distinct_colours, neuron_colour


def test_neighbours_have_colours_that_look_different() -> None:
    ids = np.arange(1, 401, dtype=np.uint64) + np.uint64(2**63)
    plane = np.kron(ids.reshape(20, 20), np.ones((4, 4), np.uint64))
    plane[:, 3::4] = 0  # a membrane
    colours = distinct_colours([plane])
    grid = np.array([colours[int(one)] for one in ids], float).reshape(20, 20, 3)
    plain = np.array([neuron_colour(int(one)) for one in ids], float).reshape(20, 20, 3)
    for axis in (0, 1):
        assert np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min() > 50
    assert np.linalg.norm(np.diff(plain, axis=1), axis=-1).min() < 30


def test_colours_do_not_depend_on_the_order_of_planes_and_are_the_same_in_all_of_them() -> None:
    planes = [np.random.default_rng(seed).integers(0, 30, (40, 40)) for seed in range(3)]
    assert distinct_colours(planes) == distinct_colours(planes[::-1])


def test_a_neuron_without_neighbours_has_the_colour_of_its_id() -> None:
    assert distinct_colours([np.array([[0, 7], [0, 7]])]) == {7: neuron_colour(7)}
    assert distinct_colours([]) == {}
