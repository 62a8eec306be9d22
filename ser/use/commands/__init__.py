"""The commands of `ser`: one file each, with the arguments it takes and what it does."""
