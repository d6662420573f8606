"""What people say of staged versions, and what they hold."""
