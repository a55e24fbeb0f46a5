"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """Bad input or surroundings. The message names the file, line or key, and the mend.

    Stages and commands print the message alone (no traceback) and exit with status 2.
    """
