"""The packages of an image: Debian, Alpine, RPM, Python, npm, Go and Java."""
