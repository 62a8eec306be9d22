"""Suites: lists of named experiments that one command runs and measures."""
