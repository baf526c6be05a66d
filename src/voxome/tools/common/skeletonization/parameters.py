"""Parameters of skeletons."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Teasar:
    """Which branches a skeleton has.

    Attributes
    ----------
    scale, const_nm : float
        A path covers what is within ``scale * radius + const_nm`` of it; what no path covers becomes a branch.
    soma_radius_nm : float
        An object as thick as this has a soma: a node in its middle is the root, and branches leave it straight.
    """

    scale: float = 1.5
    const_nm: float = 300.0
    soma_radius_nm: float = 2000.0

    @property
    def finer(self) -> Teasar:
        """What pieces are traced with: half of what covers more than the neurite itself."""
        return replace(self, scale=min(self.scale, 0.5 * (1 + self.scale)), const_nm=0.5 * self.const_nm)
