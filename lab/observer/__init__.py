"""The measuring client: load, watchers and the write ledger, in one pod on one clock.

A process of HTTP starts and ends the others and serves what they wrote. The load has a
process of its own, so that neither a watcher nor a reader can hold up its schedule. It
stands on its own in an image and therefore imports nothing of the rest of lab.

What is measured and how is said where it is done: `schedule` (open loop), `transport`
(connections), `outcomes` (how a request can end), `health` (the client's own lag),
`database.clocks` (one clock), `audit.ledger` (acknowledged writes).
"""
