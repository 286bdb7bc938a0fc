"""Print the Debian packages that the real tests need besides lab's own."""

import sys

from tests.qemu.packages import PACKAGES as MACHINE
from tests.report.browser import PACKAGES as BROWSER

if __name__ == "__main__":
    sys.stdout.write(" ".join(sorted({*MACHINE, *BROWSER})) + "\n")
