"""What the policies say of staged versions, and what they judge by."""
