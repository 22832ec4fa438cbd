"""scpd: a DICOM storage SCP for Unix that serves each association in a process of its own."""

__version__ = "0.1.0"
