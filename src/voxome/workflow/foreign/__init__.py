"""Processes of CWL that are not tools of voxome: cwltool follows the graph, voxome runs the commands."""
