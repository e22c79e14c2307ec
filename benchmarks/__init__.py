"""What Orchestrix costs, side by side with doing the same by hand and with a peer."""
