"""Deliver ended sessions to the server.

    accept → queue: new │ writer: encode → one write → queue: ready │ take → send → settle

`worker` is the entry point: take a session, flush, shut down. `queue` owns the only lock, every
session that is not settled, and their counts. `crew` runs the threads: one is the writer, which
also sends while the server is quick. Others send when the server is slow; if a request of the
writer hangs, one of them becomes the writer. `senders` and `http/` send one body, `local` stores it
on this machine. `retry` decides how many senders there are and when to try again. `spool/` keeps
sessions on disk.
A signal handler, a `__del__` or a fork may come at any moment; `queue` tells how it copes.
"""
