"""See what the cluster does: list and watch what belongs to the service, a line a change."""
