"""Fit nn.Sequential(nn.Linear(d, 1), nn.Sigmoid()) to a table with SGD."""
