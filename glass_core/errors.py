"""The errors that a person can act on; the command line turns them into one line and an exit status."""


class InputError(Exception):
    """What was handed in cannot be used (exit 2); the text is `<what>, <where>, <what to do>`."""


class NotAccepted(InputError):
    """What was asked for could be made, and is not good enough to be used: the answer is no (exit 1)."""


class MissingError(Exception):
    """A part that the job needs is not on this machine (exit 3); the text is `<what>, <where>, <what to do>`."""
