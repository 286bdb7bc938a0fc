"""What does an operator ask before and while a database is migrated?

Each question is one module, `cli` puts them behind `chirps migrate`. An answer is a sentence
for somebody tired, the same as JSON, and an exit code: 0 yes, 1 no, 2 cannot tell.

    answer      what all of them return; arguments: what is typed
    asking      a connection that only reads, and gives up early
    history     the releases there were: number, code, required schema
    identity    whose session is this: release and pod
    applied     which files the database has; notes: what they say of themselves

    why_not     who holds what a migration waits for
                sessions, locks, waits: who is there, holds what, waits for whom
                advice: may they be ended
    rollback    may an older release run on this schema
    contract    are all gone who would not bear the next files
    verify      is the schema what the files make; snapshot: what is the schema
    planning    what will the pending files lock, rewrite and lose
                planned: in words; modes: what a lock stops; sizes: of real tables
    undoing     down, but proven first; losses: what is dropped, with how many rows
    scratch     a database to try files on
                replay, sample: with the real schema, and some real rows
    listing     status, for people
"""
