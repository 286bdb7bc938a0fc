"""What does an operator ask before and while a database is migrated?

Each question is one module, `cli` puts them behind `chirps migrate`. An answer is a sentence
for somebody tired, the same as JSON, and an exit code: 0 yes, 1 no, 2 cannot tell.

    answer      what all of them return
    asking      a connection that only reads, and gives up early
    history     the releases there were: number, code, required schema
    identity    whose session is this: release and pod
    sessions    who is connected, and what they wait for
    applied     which files the database has, and what they say of themselves

    why_not     who holds what a migration waits for; advice: may they be ended
    rollback    may an older release run on this schema
    contract    are all gone who would not bear the next files
    verify      is the schema what the files make; snapshot: what is the schema
    scratch     a database to try files on
    planning    what will the pending files lock, rewrite and lose
    undoing     down, but proven first
"""
