"""One block of a phantom, alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.datasets.phantom.spec import PhantomSpec
from voxome.datasets.phantom.synapses import Site, mark_site, reach_voxels, synapse_sites
from voxome.datasets.phantom.texture import TEXTURE_HALO, borders, grey_values, membrane_map
from voxome.datasets.phantom.tissue import Tissue
from voxome.geometry import Box


@dataclass(frozen=True)
class RenderedBlock:
    """The voxels of one box.

    Attributes
    ----------
    raw : (z, y, x) uint8
        The image.
    keys : (z, y, x) uint64
        Neurons, by keys that hold in the endless tissue; in a finite volume one may fall into several pieces.
    membranes : (z, y, x) uint8
        255 on the two voxels at either side of a membrane, 128 on the next, 0 elsewhere.
    sites : list of Site
        The synapses whose marks may reach into the box.
    """

    raw: NDArray[np.uint8]
    keys: NDArray[np.uint64]
    membranes: NDArray[np.uint8]
    sites: list[Site]


def render(spec: PhantomSpec, box: Box) -> RenderedBlock:
    """Make the voxels of a box: the same whatever box they are asked in.

    Parameters
    ----------
    spec : PhantomSpec
        The phantom.
    box : Box
        Voxels (z, y, x); may leave the domain.
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
