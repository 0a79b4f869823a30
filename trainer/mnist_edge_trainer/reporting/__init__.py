"""What a run's folder says, and the report made of it."""
