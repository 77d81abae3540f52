"""The feed: records of the rollout service or of a file, checked, grouped, and turned into one sample per step."""
