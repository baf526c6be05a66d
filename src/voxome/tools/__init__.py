"""Tools: functions of arrays with a name and typed parameters, one a file."""
