"""Measures the whole program: items in at microphone and camera, events and sound out."""
