"""The one exception that users are meant to read."""


class SkyfixError(Exception):
    """Bad input or a missing part: one line that says what, where and what to do next.

    The command line prints it without a traceback and exits with code 2.
    """
