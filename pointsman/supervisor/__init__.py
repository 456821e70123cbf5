"""Runs all services of a mesh on one machine: starts them, restarts what dies, ends them all."""
