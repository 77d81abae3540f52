"""A study: the finished runs of several seeds and variants, compared and written up."""
