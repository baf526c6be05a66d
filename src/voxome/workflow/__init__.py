"""Workflows: read CWL, bind it to inputs and blocks, run it, describe tools as CWL."""
