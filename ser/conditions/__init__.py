"""What happens to a voice between the mouth and the file: room, microphone, line, codec."""
