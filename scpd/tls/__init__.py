"""TLS (RFC 5246, RFC 8446; PS3.15 annex B): what is read at the start, what is offered, who is let in."""
