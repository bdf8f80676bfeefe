"""What an image that cannot be read is told as."""

from membudget.core.errors import EnvironmentFault


class UnreadableImage(EnvironmentFault):
    """An image whose archive, manifest or layer is not what it has to be; the message says in which way."""
