"""The project around the charm: files, documentation, pins, workflows, Terraform, updates."""
