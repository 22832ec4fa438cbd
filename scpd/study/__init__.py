"""Studies: which objects belong to one, when it is complete, what happens then."""
