"""The base of errors that a user can fix: the command line prints them without a traceback."""


class GrpoError(Exception):
    """An expected error. The message says what is wrong and what to do."""
