"""Run a tool over the blocks of a volume: what a step is, its jobs, and the loop that runs them."""
