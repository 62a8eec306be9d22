"""Labels, duplicates, and the reason for each rejected recording."""
