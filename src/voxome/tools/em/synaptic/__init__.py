"""Find synapses, and the neurons they join, by classical image analysis of the arrays of a block."""
