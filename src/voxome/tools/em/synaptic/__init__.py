"""Detection of synapses and their partners by classical image analysis."""
