"""Plumbing that every service shares, without a word about models."""
