"""Messages (PS3.7): command sets in and out, requests, responses, status codes; no I/O."""
