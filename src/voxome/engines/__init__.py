"""Engines that run jobs: one module each."""
