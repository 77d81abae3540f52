"""The base of errors that a user can do something about: the command line tells them in a line, without a traceback."""


class GrpoError(Exception):
    """An expected error. The message says what is wrong and what to do."""
