"""Measure how much of ordinary code the redaction alters: places per 10,000 lines, each printed.

    python tests/performance/secrets_precision.py [DIR …]

Without directories it reads the standard library and the installed packages.
"""

from __future__ import annotations

import sys
import sysconfig
import time
from pathlib import Path

from honeytrace._redaction.secrets import find_secrets

SUFFIXES = {
    ".py",
    ".pyi",
    ".js",
    ".ts",
    ".md",
    ".rst",
    ".txt",
    ".c",
    ".h",
    ".go",
    ".rs",
    ".java",
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".cfg",
    ".html",
    ".sh",
}
MAX_BYTES = 2**20


def main(folders: list[str]) -> None:
    lines = places = size = 0
    began = time.process_time()
    for folder in folders or [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")]:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file() or path.stat().st_size > MAX_BYTES:
                continue
            text = path.read_text(errors="replace")
            lines += text.count("\n")
            size += len(text)
            for start, end, rule in find_secrets(text):
                places += 1
                first = text.rfind("\n", 0, start) + 1
                last = text.find("\n", end)
                number = text.count("\n", 0, start) + 1
                line = text[max(first, start - 120) : end + 40 if last < 0 else min(last, end + 40)]
                print(f"{path}:{number}: {rule}: {text[start:end][:80]!r} in {line[:240]!r}")
    took = time.process_time() - began
    rate = places / max(lines, 1) * 10_000
    print(
        f"{places} places in {lines} lines: {rate:.2f} per 10,000; {took / size * 2**20:.3f} s/MiB"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
