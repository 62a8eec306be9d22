"""The pictures of the results, by name, which are drawn by one script and logged by another."""

CONFUSION = "confusion.png"
RELIABILITY = "reliability.png"
COVERAGE = "coverage.png"
HISTORY = "history.png"
MAP = "map.png"
ALL = (CONFUSION, RELIABILITY, COVERAGE, HISTORY, MAP)
