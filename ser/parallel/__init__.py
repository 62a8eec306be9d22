"""Work on many items at once, in order: on the processors of a machine, or on a cluster."""
