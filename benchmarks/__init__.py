"""What one call costs: Valetkey beside the floor it stands on, in ratios. Run with `make bench`."""
