"""Suites: lists of named experiments, each run and measured by one command."""
