"""The commands of `ser`: one module each, with the command's arguments and what it does."""
