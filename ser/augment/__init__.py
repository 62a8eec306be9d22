"""Copies of clips, changed at random."""
