"""Approvals that wait for others, and what is let pass in spite of a policy."""
