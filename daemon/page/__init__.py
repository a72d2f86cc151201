"""The read-only page: what runs, on loopback."""
