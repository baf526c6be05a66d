"""Rendering of one block of a phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.synapses import Site, mark_site, reach_voxels, synapse_sites
from voxome.data.phantom.texture import TEXTURE_HALO, borders, grey_values, membrane_map
from voxome.data.phantom.tissue import Tissue
from voxome.geometry import Box


@dataclass(frozen=True)
class RenderedBlock:
    """Voxels of one box.

    Attributes
    ----------
    raw : (z, y, x) uint8
        Image.
    keys : (z, y, x) uint64
        Keys of neurons in the infinite tissue; in a finite volume, a neuron may consist of several pieces.
    membranes : (z, y, x) uint8
        255 in the two voxels on either side of a membrane, 128 in the next, and 0 elsewhere.
    sites : list of Site
        Synapses that may extend into the box.
    """

    raw: NDArray[np.uint8]
    keys: NDArray[np.uint64]
    membranes: NDArray[np.uint8]
    sites: list[Site]


def render(spec: PhantomSpec, box: Box) -> RenderedBlock:
    """Render the voxels of a box; they do not depend on the choice of the box.

    Parameters
    ----------
    spec : PhantomSpec
        Phantom.
    box : Box
        Box (z, y, x); may exceed the domain.
    """
    grown = box.grow((TEXTURE_HALO,) * 3)
    tissue = Tissue.around(spec, grown.grow(reach_voxels(spec)))
    keys, tubes = tissue.neurons(grown)
    sites = synapse_sites(spec, grown, tissue)
    marks = np.zeros(keys.shape, np.uint8)
    start, size = np.array(grown.start), np.array(spec.voxel_size_nm)
    for site in sites:
        mark_site(
            marks, keys, start, size, site.centre_nm, site.normal, np.uint64(site.pre_key), np.uint64(site.post_key)
        )
    border = borders(keys)
    raw = grey_values(spec, grown, keys, tubes, border, marks)
    inner = box.within(grown)
    return RenderedBlock(raw[inner], keys[inner], membrane_map(border)[inner], sites)
