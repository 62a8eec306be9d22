"""Make randomly changed copies of clips."""
