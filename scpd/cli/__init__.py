"""The command line: what it may say, and what it asks for."""
