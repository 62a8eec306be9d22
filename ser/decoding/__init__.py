"""A file -> the recording in it: containers, codecs, checks for damage."""
