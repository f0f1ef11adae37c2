"""The errors that Secateur shows to its users."""


class SecateurError(Exception):
    """Something the user can put right: says what was found, what is allowed and what to do.

    The command line prints its message without a traceback and exits with code 2.
    """


class InputError(SecateurError, ValueError):
    """An argument that a function of the library cannot use; a ValueError too, as scikit-learn's are."""
