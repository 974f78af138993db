"""Measurements of the figures that the contract promises; scripts/bench runs them."""
