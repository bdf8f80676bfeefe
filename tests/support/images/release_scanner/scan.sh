#!/bin/sh
# BuildKit's protocol for scanners: docs/attestations/sbom-protocol.md in its repository. BuildKit adds the subject.
set -eu
{
  printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":'
  SYFT_CHECK_FOR_APP_UPDATE=false syft scan --quiet --override-default-catalogers image --output spdx-json \
    "dir:$BUILDKIT_SCAN_SOURCE"
  printf '}'
} >"$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
