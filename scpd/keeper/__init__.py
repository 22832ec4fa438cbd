"""What is done for all workers together: for now, removing what a killed one left."""
