# membudget's own image: the GitHub Action, and the helper containers. Debian, because its packages are all it needs.
# The base is pinned by digest, of all its platforms. Debian's packages are pinned to the day that the base was made, by
# tools/pin_packages.sh: whoever renews the digest renews both. `make pins` does. Where no registry answers, `make image`
# sets BASE to a base image of its own, and PACKAGES to newest.
ARG BASE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

# Runs on the builder's own platform, also for another one: pip takes the wheels of that one, and nothing is emulated.
FROM --platform=$BUILDPLATFORM ${BASE} AS build
ARG PACKAGES=pinned
RUN --mount=type=bind,source=tools/pin_packages.sh,target=/tmp/pin_packages.sh \
    --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    sh /tmp/pin_packages.sh && apt-get update -o Acquire::Retries=5 \
    && apt-get install -y --no-install-recommends -o Acquire::Retries=5 binutils-multiarch ca-certificates python3-venv
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
ARG TARGETARCH
# The secret is for networks whose proxy has a certificate authority of its own; without it pip uses Debian's.
RUN --mount=type=secret,id=ca,required=false --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/build && python3 -m venv --without-pip /opt/membudget \
    && if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_HASHES=1 \
    && /opt/build/bin/pip install --requirement requirements-build.lock \
    && case "$TARGETARCH" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) exit 1 ;; esac \
    && /opt/build/bin/pip install --requirement requirements.lock --only-binary=:all: \
        --target /opt/membudget/lib/python3.*/site-packages --platform "manylinux2014_$machine" \
        --platform "manylinux_2_17_$machine" --platform "manylinux_2_28_$machine" --platform "manylinux_2_34_$machine" \
    && find /opt/membudget -name '*.so' -exec strip --strip-debug {} +
# From here on nothing is fetched: a change of the source needs no network.
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# pip writes programs into the target, for the Python that it runs on itself.
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && packages=$(echo /opt/membudget/lib/python3.*/site-packages) && rm -r "${packages:?}/bin" \
    && /opt/build/bin/pip install --no-index --no-deps --target "$packages" /wheels/*.whl \
    && sed -i '1s|^#!.*|#!/opt/membudget/bin/python3|' "$packages"/bin/* \
    && mv "$packages"/bin/* /opt/membudget/bin/ && rmdir "$packages/bin"

# What is never run is left out (tools/slim.cfg).
FROM ${BASE} AS python
ARG PACKAGES=pinned
RUN --mount=type=bind,source=tools/pin_packages.sh,target=/tmp/pin_packages.sh \
    --mount=type=bind,source=tools/slim.cfg,target=/etc/dpkg/dpkg.cfg.d/slim \
    --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    sh /tmp/pin_packages.sh && apt-get update -o Acquire::Retries=5 \
    && apt-get install -y --no-install-recommends -o Acquire::Retries=5 ca-certificates python3

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
