"""Pointsman for Python: generated contracts, the client (`pointsman.client`) and the command line (`pointsman.cli`)."""
