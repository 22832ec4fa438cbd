"""The upper layer protocol for TCP/IP (PS3.8), acceptor side."""
