"""A policy that fits a laptop: its tokenizer, its model, and the imitation it starts from."""
