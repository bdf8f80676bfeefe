"""A stream of our own making, as io's buffered readers take it."""

import io


class RawStream(io.RawIOBase):
    """A stream that gives bytes by `take`: what else a reader asks of one is here."""

    def take(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with what there is."""
        target = memoryview(buffer)  # type: ignore[arg-type] # io.RawIOBase promises a buffer
        data = self.take(len(target))
        target[: len(data)] = data
        return len(data)
