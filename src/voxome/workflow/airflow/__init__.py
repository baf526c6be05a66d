"""Runs that Apache Airflow schedules: a DAG of the steps, the tasks of it, and a client that follows it."""
