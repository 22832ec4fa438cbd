"""Real clients' bytes, changed, for everything that reads what others wrote and does no I/O: `make fuzz`."""
