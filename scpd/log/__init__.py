"""Where records of `logging` go, and how they look."""
