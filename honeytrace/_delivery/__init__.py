"""From the ended session to the server: queue, worker, senders, retry, spool, connections."""
