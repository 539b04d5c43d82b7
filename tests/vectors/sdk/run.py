#!/usr/bin/env python3
"""Writes tests/vectors/sdk.json: vectors that the providers' official SDKs signed and verified.

    python3 tests/vectors/sdk/run.py            install the pinned SDKs below target/, rewrite the file
    python3 tests/vectors/sdk/run.py --check    fail if it is not what they make

Needs Node 20, npm, Python 3 with venv, and their package registries. Everything that goes in is fixed, so that the same SDKs
make the same file. tests/vectors/generate.py then folds it into providers/*.vectors.toml.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "sdk.json"
WORK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[2] / "target")) / "sdk-vectors"


def fresh(stamp, *sources):
    """Were these files what was installed last?"""
    wanted = "".join(source.read_text() for source in sources)
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    stamp.unlink(missing_ok=True)
    return False


def stamped(stamp, *sources):
    stamp.write_text("".join(source.read_text() for source in sources))


def node():
    pins = [HERE / name for name in ("package.json", "package-lock.json", ".npmrc")]
    WORK.mkdir(parents=True, exist_ok=True)
    for file in [*pins, HERE / "vectors.mjs", HERE / "harness.mjs"]:
        shutil.copy(file, WORK)
    if not fresh(WORK / "node.stamp", *pins):
        subprocess.run(["npm", "ci", "--loglevel=error"], cwd=WORK, check=True, stdout=subprocess.DEVNULL)
        stamped(WORK / "node.stamp", *pins)
    return subprocess.run(["node", "vectors.mjs"], cwd=WORK, check=True, stdout=subprocess.PIPE).stdout


def python():
    venv, pins = WORK / "venv", HERE / "requirements.txt"
    if not fresh(WORK / "python.stamp", pins):
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([venv / "bin/python", "-m", "pip", "install", *quiet, "-r", pins], check=True)
        stamped(WORK / "python.stamp", pins)
    return subprocess.run([venv / "bin/python", HERE / "vectors.py"], check=True, stdout=subprocess.PIPE).stdout


def main():
    vectors = json.loads(node()) + json.loads(python())
    vectors.sort(key=lambda vector: vector["provider"])
    new = "[\n" + ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors) + "\n]\n"
    if "--check" not in sys.argv[1:]:
        OUT.write_text(new)
        print(f"{OUT.name}: {len(vectors)} vectors of {len({vector['provider'] for vector in vectors})} providers")
    elif not OUT.exists() or OUT.read_text() != new:
        sys.exit(f"{OUT.name} is not what the SDKs make: run this without --check, then generate.py, and look at the difference")


if __name__ == "__main__":
    main()
