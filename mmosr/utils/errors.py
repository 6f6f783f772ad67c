"""The one exception that means 'the user can mend this'."""


class InputError(ValueError):
    """Wrong input: file, configuration, checkpoint or label.

    The message is one line that says what is wrong, where, and how to mend it. The command-line
    tools print it without a traceback and exit with a non-zero status.
    """
