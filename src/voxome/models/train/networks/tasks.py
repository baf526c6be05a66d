"""The tasks of voxome that train networks."""

from __future__ import annotations

from voxome.models.train.networks.targets import Affinities, Objects
from voxome.models.train.networks.task import NetworkTask

AFFINITIES = NetworkTask("affinities", Affinities())
CELLS = NetworkTask("cells", Objects("cell"))
MITOCHONDRIA = NetworkTask("mitochondria", Objects("mitochondrion"))
NUCLEI = NetworkTask("nuclei", Objects("nucleus", boundary=True))
SYNAPSES = NetworkTask("synapses", Objects("synapse", apart=False))
VESSELS = NetworkTask("vessels", Objects("vessel", apart=False))
