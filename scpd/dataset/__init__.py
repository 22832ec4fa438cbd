"""Data sets (PS3.5): element headers, values, and which object a data set is; no I/O."""
