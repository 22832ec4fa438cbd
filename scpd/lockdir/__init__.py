"""The lock directory: what lies where, how a line is written, who lives."""
