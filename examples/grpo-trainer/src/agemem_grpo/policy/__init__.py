"""A policy that fits on a laptop: its tokenizer, its model, and the imitation it starts from."""
