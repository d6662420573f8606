"""Glass that two people break."""
