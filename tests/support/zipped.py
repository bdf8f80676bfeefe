"""Zip files in memory."""

import io
import zipfile


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these files, by their names."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as into:
        for name, content in files.items():
            into.writestr(name, content)
    return made.getvalue()
