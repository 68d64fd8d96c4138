"""Deliver ended sessions to the server.

    accept → new │ encode → encoded │ write → ready │ take → send → settle, put_back

`intake` takes sessions, and `worker`, the entry point, waits for them and shuts down. Those that
are not settled are in a queue in three layers, with one lock: `encode_queue`, `write_queue` and
`queue`. `threads` runs our threads, and `crew` decides what each does next: one is the writer,
which also sends while the server is quick. Others send when it is slow; if a request of the writer
hangs, one of them becomes the writer. `exchange` sends a session and records the outcome, through
`senders` and `http/`, or `local` on this machine. `retry` decides how many requests are made at
once, and when to try again. `spool/` keeps sessions on disk. A signal handler, a `__del__` or a
fork may come at any moment.
"""
