"""See what the database does: a sample at a steady rate, and when its schema changed."""
