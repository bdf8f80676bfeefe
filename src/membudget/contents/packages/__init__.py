"""Packages that an image holds: Debian, Alpine, RPM, Python, npm, Go and Java."""
