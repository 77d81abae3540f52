"""The feed: what the rollout service or a trajectory file says, checked and grouped, down to one sample per step."""
