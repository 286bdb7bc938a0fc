"""Compare what the service acknowledged with what is stored and can be read."""
