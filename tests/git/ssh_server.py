"""A real sshd on loopback for git over SSH, with keys of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from remote_world import wait_until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def ssh_key(path: Path) -> Path:
    """A new pair; the public half is `path`.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@dataclass
class SshServer:
    """The running server, the user's key that it accepts, and a known-hosts file that names its key."""

    folder: Path
    port: int
    user_key: Path
    known_hosts: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, path: Path) -> str:
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        return f"ssh://{user}@127.0.0.1:{self.port}{path}"

    def trust(self, host_key: Path, port: int = 0) -> None:
        """Let the known-hosts file hold this key alone, for `port` (0: our own)."""
        key = host_key.with_suffix(".pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{port or self.port} {key}")

    def show(self, host_key: Path) -> None:
        """Have the server use this host key from now on: it starts itself again, and may refuse a moment long."""
        assert self.process is not None
        os.replace(shutil.copy(host_key, self.folder / "next"), self.folder / "host")
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Listens until the end of the block."""
    folder.mkdir(mode=0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = SshServer(folder, port, ssh_key(folder / "user"), folder / "known hosts")
    server.trust(ssh_key(folder / "host"))
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    lines = [f"Port {port}", "ListenAddress 127.0.0.1", f'HostKey "{folder}/host"', f'PidFile "{folder}/pid"']
    lines += [f'AuthorizedKeysFile "{folder}/authorized"', "StrictModes no", "PasswordAuthentication no", "UsePAM no"]
    (folder / "config").write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        server.process = subprocess.Popen([SSHD or "sshd", "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        wait_until(lambda: _answers(port))
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
