"""Fits a classifier's heads to an operator's own recorded outcomes, with numpy alone. `pointsman train` runs it."""
