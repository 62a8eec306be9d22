"""Pin the versions installed in this environment: write requirements.lock."""

import re
import subprocess
import sys
from pathlib import Path

HEADER = "# Constraints for pip: the versions that the project was tested with (`make lock`).\n"


def main() -> None:
    """Write every installed package except the project itself, without local version suffixes."""
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude-editable", "--exclude", "ser"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    # torch 2.13.0+cpu is the same release as 2.13.0, from another index.
    pins = [re.sub(r"\+\w+$", "", line) for line in frozen.splitlines() if "==" in line]
    path = Path(__file__).resolve().parents[1] / "requirements.lock"
    path.write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
