"""Staged versions that belong together: found, arranged, and put in order."""
