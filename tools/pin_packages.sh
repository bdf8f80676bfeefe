#!/bin/sh
# Runs in the Dockerfile, before apt-get: pins Debian's packages to the day that the base image was made.
# Debian's own images name that day's archive in a comment above each address of their sources. That archive becomes the
# address. Its lists have expired by then, so apt does not ask how old they are; it still checks their signatures.
# PACKAGES=newest leaves the sources alone, for a base image that was made elsewhere.
set -eu
sources=${1:-/etc/apt/sources.list.d/debian.sources}
case ${PACKAGES:-pinned} in
newest) exit 0 ;;
pinned) ;;
*) echo "PACKAGES is $PACKAGES: set it to pinned or newest" >&2 && exit 2 ;;
esac
if ! awk '
    $1 == "#" && $2 ~ "^http://snapshot[.]debian[.]org/archive/[a-z-]+/[0-9]+T[0-9]+Z$" { day = $2; next }
    $1 == "URIs:" && day == "" { exit 1 }
    $1 == "URIs:" { print "URIs: " day; print "Check-Valid-Until: no"; day = ""; pinned++; next }
    { print }
    END { if (!pinned) exit 1 }
' "$sources" >"$sources.pinned"; then
    rm -f "$sources.pinned"
    echo "packages cannot be pinned: $sources names no snapshot for each address; build with PACKAGES=newest" >&2
    exit 1
fi
mv "$sources.pinned" "$sources"
