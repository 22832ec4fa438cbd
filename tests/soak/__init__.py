"""Daemons under mixed load for as long as one likes, plain and TLS, with reloads and kills: `make soak`."""
