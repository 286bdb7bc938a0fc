"""Is this the name of a table, and nothing that could be SQL beside it?"""

import re

from lab.goose.errors import BadOption

# PostgreSQL 18, 4.1.1 Identifiers and Key Words; what is beyond ASCII counts as a letter.
PLAIN = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*"
QUOTED = r'"(?:[^"\0]|"")+"'
NAME = re.compile(rf"(?:{PLAIN}|{QUOTED})(?:\.(?:{PLAIN}|{QUOTED})){{0,2}}")


def require_table_name(name: str) -> None:
    """Raises BadOption unless `name` is one as SQL writes it, with a schema or without.

    goose puts what it is given into its statements as it stands. So do we, once it is nothing
    but a name: PostgreSQL folds and cuts it then as it does for goose.
    """
    if not NAME.fullmatch(name):
        raise BadOption(
            f"{name!r} is no name of a table (other than letters, digits and _ must be in "
            'double quotes, as in "my-table")'
        )
