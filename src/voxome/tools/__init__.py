"""Processing tools: functions of arrays, one per module."""
