"""scpctl, the administrator's tool."""
