"""python -m tests.cli.watched RUN CODE: watch the run in a directory until a line is typed, and end
with CODE."""

import sys
from pathlib import Path

from lab.cli._watch import Watching

if __name__ == "__main__":
    with Watching(wanted=True) as watching:
        watching.begin(Path(sys.argv[1]))
        sys.stdin.readline()
    sys.stderr.write("and then\n")
    sys.exit(int(sys.argv[2]))
