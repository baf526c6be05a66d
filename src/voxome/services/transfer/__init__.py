"""Copies between stores: parallel, verified and resumable."""
