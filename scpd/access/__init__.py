"""Who may connect: peers by address and name; knows nothing of DICOM."""
