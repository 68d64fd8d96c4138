"""From the ended session to the server.

    accept → queue: new │ writer: encode → one write → queue: ready │ take → send → settle

`worker` is what the rest of the library calls: take a session, flush, shut down. `queue` owns the
one lock, every session that is not settled, and their counts; beyond a bound, whoever puts a
session in encodes another one. `crew` are the threads: one has the role of the writer and sends,
too, while the server is quick; others send when it is slow, and one of them takes the role over
when a request hangs. `senders` and `http/`, or `local` for the store on this machine, send one
body; `retry` says how many senders there are and when to try again; `spool/` is the disk.
A signal handler, a `__del__` or a fork may come at any moment: see `queue`.
"""
