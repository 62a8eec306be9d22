"""How a trained model answers when its test clips are recorded under other conditions."""
