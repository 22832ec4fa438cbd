"""One process per connection: from its first byte to its end."""
