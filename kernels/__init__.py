"""Streaming operations of the front end, one a file; `x_ref.py` is the numpy reference."""
