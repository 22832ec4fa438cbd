"""A daemon under mixed load for as long as one likes, with reloads and kills: `make soak`."""
