"""Delegation under test as a whole: chaos, latency, fleets."""
