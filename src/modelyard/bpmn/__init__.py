"""BPMN 2.0: processes read from files, checked, and played token by token. Pure: no clock, no I/O; conditions are FEEL."""
