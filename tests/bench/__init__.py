"""Measurements of the figures that the documentation promises; scripts/bench runs them."""
