"""The one exception that means: the user can mend this."""


class UserError(ValueError):
    """Bad flags, files, data or device. Its text is one line: what was wrong, what was expected, what to do."""
