"""The demonstration's small organisation: its packages, their history and what they stage."""
