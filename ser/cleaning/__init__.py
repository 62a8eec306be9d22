"""Labels, duplicates and a reason for each recording that is rejected."""
