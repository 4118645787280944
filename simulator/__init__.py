"""A WhatsApp multi-device server for offline runs and tests, to which unmodified clients connect.

`python -m simulator` starts it. The server's side: `server` (one port), `doorway` (who is at the door), `chat_socket`,
`noise`, `frame` and `codec` (a connection), `login`, `pairing` and `code_linking` (who is it), `queries` and the
`*_queries` (what clients ask), `relay` and `mailbox` (what they send each other), `registry` (what is remembered),
`faults` (the weather), `control` (the API that plays person and weather), `world` (all of it together).
The phones' side: `phones` and the `companion*` modules, real clients in a process of their own.
"""
