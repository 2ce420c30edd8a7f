"""What the launcher raises."""


class LauncherError(Exception):
    """Something that the person at the terminal can put right: the message is one line and says how."""
