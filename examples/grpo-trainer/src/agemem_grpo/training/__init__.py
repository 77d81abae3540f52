"""One training run: the loop, the objective, TRL's trainer on samples of the feed, evaluation, and the run's folder."""
