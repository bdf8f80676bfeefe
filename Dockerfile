# membudget's own image: the GitHub Action, and the helper containers. Debian, because its packages are all it needs.
# The base is pinned by digest, of all its platforms. Debian's packages are pinned to the day that the base was made, by
# tools/pin_packages.sh: whoever renews the digest renews both. `make pins` does. Where no registry answers, `make image`
# sets BASE to a base image of its own, and PACKAGES to newest.
ARG BASE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

# What is never run is left out of both stages (tools/slim.cfg).
FROM ${BASE} AS python
ARG PACKAGES=pinned
RUN --mount=type=bind,source=tools/pin_packages.sh,target=/tmp/pin_packages.sh \
    --mount=type=bind,source=tools/slim.cfg,target=/etc/dpkg/dpkg.cfg.d/slim \
    --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    sh /tmp/pin_packages.sh && apt-get update -o Acquire::Retries=5 \
    && apt-get install -y --no-install-recommends -o Acquire::Retries=5 ca-certificates python3

FROM python AS build
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -o Acquire::Retries=5 \
    && apt-get install -y --no-install-recommends -o Acquire::Retries=5 binutils python3-venv
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# The secret is for networks whose proxy has a certificate authority of its own; without it pip uses Debian's.
RUN --mount=type=secret,id=ca,required=false --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/membudget && python3 -m venv /opt/build \
    && if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_HASHES=1 \
    && /opt/build/bin/pip install --requirement requirements-build.lock \
    && /opt/membudget/bin/pip install --requirement requirements.lock \
    && find /opt/membudget -name '*.so' -exec strip --strip-debug {} +
# From here on nothing is fetched: a change of the source needs no network.
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/membudget/bin/pip install --no-index --no-deps /wheels/*.whl \
    && /opt/membudget/bin/pip uninstall --yes pip

# The engine's clients, and no engine: builds and containers run on the one whose socket is mounted.
# Debian's git asks for Perl, for commands that membudget does not use: its packages go, and dpkg and the SBOM know it.
FROM python
RUN --mount=type=bind,source=tools/slim.cfg,target=/etc/dpkg/dpkg.cfg.d/slim \
    --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -o Acquire::Retries=5 \
    && apt-get install -y --no-install-recommends -o Acquire::Retries=5 \
        docker-buildx docker-cli docker-compose git \
    && dpkg --purge --force-depends liberror-perl perl perl-modules-5.40 libperl5.40
COPY --from=build /opt/membudget /opt/membudget
ENV PATH=/opt/membudget/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# how the action knows its own image, which helper containers are started from
LABEL membudget.version=0.1.0
# A container action has to run as root (GitHub docs, "Dockerfile support for GitHub Actions").
# hadolint ignore=DL3002
USER 0
ENTRYPOINT ["membudget"]
CMD ["--help"]
