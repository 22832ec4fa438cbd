"""How an object becomes a file."""
