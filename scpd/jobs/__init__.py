"""Commands that are to be run: what they say, what they are told, and which one is next."""
