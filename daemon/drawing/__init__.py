"""Sessions as text and pictures. Nothing that listens and speaks imports it."""
