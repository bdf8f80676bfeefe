"""A container engine for a command: the one that is there, or a private one for as long as the command runs.

    python3 tools/engine.py run -- COMMAND...      run COMMAND with an engine that answers
    python3 tools/engine.py stop                   stop a private engine that was kept

With KEEP_ENGINE=1 a private engine is kept for the next call. It is Debian's docker.io, started with folders and a
socket of its own; nothing else on the machine is told of it. What a killed run left on it is removed first, if nobody
else uses it. Standard library only: it runs before anything is set up.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import debian
import dev_cache
import dockerd
import engine_sweep

_SYSTEM_SOCKET = Path("/var/run/docker.sock")
_PLUGINS = ["docker-buildx", "docker-compose"]
_PLUGIN_SUITE = "trixie"  # the newest Debian that has them; static enough to run on older ones


def main() -> int:
    """Obey the command line."""
    match sys.argv[1:]:
        case ["run", "--", *command] if command:
            return run(command)
        case ["stop"]:
            debian.say("stopping the private container engine")
            dockerd.stop(_folder())
            return 0
    print(__doc__, file=sys.stderr)
    return 2


def run(command: list[str]) -> int:
    """Run a command with an engine; its exit code."""
    environ = dict(os.environ)
    started = False
    claims = ExitStack()
    claim: dev_cache.Claim | None = None
    try:
        if not _answers_already(environ):
            _provide_dockerd()
            if not _answers_already(environ):  # a package may start what it installs
                claim = claims.enter_context(dev_cache.claimed("engine"))
                address = dockerd.socket_in(_folder())
                started = not dockerd.answers(address)
                if started:
                    debian.say("starting a private container engine (dockerd)")
                    dockerd.start(_folder())
                environ["DOCKER_HOST"] = f"unix://{address}"
        _provide_plugins(environ)
        if claim is not None:
            if claim.is_alone and not engine_sweep.is_in_use(address := dockerd.socket_in(_folder())):
                engine_sweep.sweep(address)
            claim.share()
        process = subprocess.Popen(command, env=environ)
        # The command gets the terminal's Ctrl-C itself and we wait for it to end; a SIGTERM is passed on.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()
    finally:
        if started and environ.get("KEEP_ENGINE") != "1":
            dockerd.stop(_folder())  # without a word: the last one is the command's
        claims.close()


def _folder() -> Path:
    return dev_cache.folder("engine")


def _answers_already(environ: dict[str, str]) -> bool:
    """Whether the engine that docker would use answers: by DOCKER_HOST, the usual socket, or the current context."""
    if environ.get("DOCKER_HOST"):
        return True  # asked for: if it does not answer, the command says so
    if dockerd.answers(_SYSTEM_SOCKET):
        return True
    client = shutil.which("docker")
    if client is None:
        return False
    asked = [client, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    host = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return host.startswith("unix://") and dockerd.answers(Path(host.removeprefix("unix://")))


def _provide_dockerd() -> None:
    """The engine's program, installed where it is not."""
    if shutil.which("dockerd") is not None:
        return
    if not debian.is_usable():
        raise SystemExit(
            "No container engine answers, and none can be installed here (that needs root and apt).\n"
            "Start Docker, or set DOCKER_HOST."
        )
    debian.install("docker.io", "iptables")


def _provide_plugins(environ: dict[str, str]) -> None:
    """The docker client with buildx. Where the plugin is missing, one is unpacked into a folder of ours."""
    client = shutil.which("docker")
    if client is None and not debian.is_usable():
        raise SystemExit("The docker client is missing; install it with its buildx plugin.")
    if client is None:
        debian.install("docker.io")
    if _has_buildx(environ):
        return
    if not debian.is_usable():
        raise SystemExit("The docker client has no buildx; install the docker-buildx-plugin.")
    folder = dev_cache.folder("docker-config")
    plugins = folder / "cli-plugins"
    if not (plugins / "docker-buildx").exists():
        debian.say(f"fetching {' and '.join(_PLUGINS)} of Debian {_PLUGIN_SUITE}, for the docker client")
        unpacked = folder / "unpacked"
        debian.unpack(_PLUGINS, _PLUGIN_SUITE, unpacked)
        plugins.mkdir(exist_ok=True)
        for plugin in (unpacked / "usr/libexec/docker/cli-plugins").iterdir():
            plugin.replace(plugins / plugin.name)
        shutil.rmtree(unpacked)
    environ["DOCKER_CONFIG"] = str(folder)


def _has_buildx(environ: dict[str, str]) -> bool:
    done = subprocess.run(["docker", "buildx", "version"], env=environ, capture_output=True, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
