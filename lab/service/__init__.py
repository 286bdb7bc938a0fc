"""The sample service on a lab: its images, its manifests, its database, its start state."""
