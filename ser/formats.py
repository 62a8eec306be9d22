"""How files that can be read as recordings are called.

One that was cut off is refused, but for an MP3 without its Xing header.
"""

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm")
