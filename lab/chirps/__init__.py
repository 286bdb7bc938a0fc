"""The sample service: people write chirps of at most 140 characters. `python -m lab.chirps`.

It is there to be deployed carelessly and carefully, so what it does to a database and how
it answers when that fails is the point; nothing is retried and nothing is hidden. It
imports nothing of lab but `lab.goose`, and nothing imports it: it is started as a program,
from an image that holds the code of one release only.

    settings    the environment -> Settings, or all mistakes at once
    releases/   one module a release: its SQL and what it does with a chirp
    migrations/ goose files: base and one folder a track
    database    the pool; reach: why it has no connection
    schema      which schema version the database has, as a pod last saw it
    gate        may this release start on this database? gate_look: what is seen of it;
                gate_keeper: asks until it is decided; gate_migrate: migrates at boot;
                gate_entry: what opens behind the gate
    readiness, liveness
                what /readyz, /startupz and /livez answer
    dependencies
                what a process depends on, and who else suffers; discriminator: is it the
                database, or my pool?
    bounded     how to go on when something does not end
    failures    what a client is told when the database says no
    endpoints/  HTTP: what is read from a request and what is answered
    envelope, accounts, cutoff
                around every answer: headers, log line and count, an answer at the very end
    worker      what a release does that nobody asked for
    defects     what a process does wrong on purpose
    app         all of it as one ASGI application; state: what it knows
    server      the HTTP server and its staged end; protocol: bytes that are not HTTP
    starting    told to stop before all is imported
    serve, migrate, seed
                the three commands, put together by cli
    operator/   what `chirps migrate` answers an operator: status, plan, verify, why-not, ...

The API, JSON unless it says otherwise. Whoever calls as user 7 sends
`Authorization: Bearer user-7`; these tokens are static and secret to nobody.

    POST   /users       {email, password?}           201 {id, email, is_member}
    PUT    /users       {email?, password?}   (auth) 200 {id, email, is_member}
    POST   /sessions    {email, password}            201 {token, refresh_token, user}
    DELETE /sessions                          (auth) 204, all sessions of the user
    GET    /chirps      ?author_id= &sort=asc|desc &limit=1..100   200 [chirp, ...]
    POST   /chirps      {body, client_ref?}   (auth) 201 chirp
    GET    /chirps/{id}                              200 chirp
    DELETE /chirps/{id}                       (auth) 204
    POST   /notices     {event: "user.upgraded", user_id}   (Bearer partner) 204
    GET    /page                                     200 HTML, without the database
    GET    /livez /readyz /startupz /version         200 or 503
    GET    /metrics                                  200 Prometheus text

A chirp is `{id, author_id, body, client_ref, created_at}` in every release, whatever its
columns are called. Seeded users are `user<id>@example.com` with the password `lab`.
"""
