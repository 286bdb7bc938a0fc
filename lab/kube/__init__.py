"""The Kubernetes API, as small data classes of our own."""
