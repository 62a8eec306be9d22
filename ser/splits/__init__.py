"""Which clips are for training, validation and testing."""
