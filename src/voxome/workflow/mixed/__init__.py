"""Workflows of tools of voxome and of others: cwltool follows the graph, and the block runner takes over its tools."""
