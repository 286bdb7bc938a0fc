"""Print the Debian packages that the real tests need besides lab's own."""

import sys

from tests.qemu.packages import PACKAGES

if __name__ == "__main__":
    sys.stdout.write(" ".join(PACKAGES) + "\n")
