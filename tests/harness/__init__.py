"""What the tests share: real servers and clients, a hostile peer of our own, objects to send.

Nothing in here imports scpd: a test that used its codecs would agree with its mistakes.
"""
