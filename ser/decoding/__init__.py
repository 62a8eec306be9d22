"""A file -> the recording in it: containers, codecs, what is damaged."""
