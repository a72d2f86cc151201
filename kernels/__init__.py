"""Streaming operations of the front end; one operation a file, `x_ref.py` is the numpy reference."""
