"""What trained runs can do."""
