"""Annotations in tables: Parquet and CSV files."""
