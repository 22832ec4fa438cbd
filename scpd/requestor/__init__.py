"""Associations that we open ourselves, on pynetdicom."""
