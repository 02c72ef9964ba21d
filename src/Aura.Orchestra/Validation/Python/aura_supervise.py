"""Runs inside the jail, isolated (python3 -I): copies the tree, runs the tests in a child, hands the results out.

Usage: aura_supervise.py SOURCE WORKSPACE TOOLS CONFIG, with the settings as JSON on standard input (a command line could
be read by every test, and the settings hold the nonce).
Everything that goes out is one JSON object a line on this process's standard output, each with the nonce.
What the tests print goes to standard error.
"""
import base64
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile

MAX_JUNIT = 4 << 20


def main():
    source, workspace, tools, config = sys.argv[1:5]
    settings = json.load(sys.stdin)
    nonce = settings["nonce"]
    # Not dumpable: the tests have the same user id, and must not reach this process's memory and open files through /proc.
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    report = os.dup(1)
    os.dup2(2, 1)

    def emit(kind, **fields):
        line = json.dumps(dict(fields, nonce=nonce, kind=kind)) + "\n"
        data = line.encode()
        while data:
            data = data[os.write(report, data):]

    try:
        copy(source, workspace)
    except OSError as error:
        emit("end", exit=None, copy_failed=str(error)[:2000], disk_full=full(workspace))
        return 0

    junit = os.path.join(tempfile.mkdtemp(), "junit.xml")
    settings.update(workspace=workspace, report=report, junit=junit, config=os.path.join(config, settings["config"]))
    child = subprocess.Popen(
        [sys.executable, "-I", os.path.join(tools, "aura_pytest.py")],
        cwd=workspace, pass_fds=[report], stdin=subprocess.PIPE)
    child.communicate(json.dumps(settings).encode())
    try:
        if os.path.getsize(junit) <= MAX_JUNIT:
            with open(junit, "rb") as file:
                emit("junit", data=base64.b64encode(file.read()).decode())
        else:
            emit("junit", too_large=True)
    except OSError:
        emit("junit", missing=True)
    emit("end", exit=child.returncode, disk_full=full(workspace) or full(tempfile.gettempdir()))
    return 0


def copy(source, target):
    """Contents, links as links and the executable bit; times and owners do not matter."""
    with os.scandir(source) as entries:
        for entry in entries:
            path = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
            elif entry.is_dir():
                os.mkdir(path)
                copy(entry.path, path)
            else:
                shutil.copyfile(entry.path, path)
                if os.access(entry.path, os.X_OK):
                    os.chmod(path, 0o755)


def full(folder):
    try:
        info = os.statvfs(folder)
        return info.f_bavail * info.f_bsize < 65536 or (info.f_files > 0 and info.f_favail == 0)
    except OSError:
        return False


sys.exit(main())
