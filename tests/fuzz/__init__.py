"""Inputs made by damaging valid ones, for everything that reads what others wrote."""
