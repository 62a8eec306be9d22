"""The error for mistakes that a user can correct."""


class UserError(Exception):
    """A mistake in the input: what is wrong, where, what was expected, what to do.

    Stages print its text without a traceback and exit with status 1.
    """
