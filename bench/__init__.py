"""The benchmark: scpd and its peers on loopback, side by side, `python -m bench`."""
