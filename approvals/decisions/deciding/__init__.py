"""A person's decision: proven, recorded."""
