"""The error that a user can mend."""


class UserError(Exception):
    """A mistake in the input: what is wrong, where, what was expected, what to do.

    Stages print its text and exit with status 1; they show no traceback for it.
    """
