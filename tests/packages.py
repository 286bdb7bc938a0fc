"""Print the Debian packages that the real tests need besides lab's own."""

import sys

from tests.qemu.packages import PACKAGES
from tests.report.browser import packages

# actionlint asks it about the scripts of workflows.
LINTERS = ("shellcheck",)

if __name__ == "__main__":
    sys.stdout.write(" ".join(sorted({*PACKAGES, *packages(), *LINTERS})) + "\n")
