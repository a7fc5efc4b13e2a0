"""The commands, one module a noun: `catalogue` (what there is), `inspect` (show), `quality` (check, assess), `run`."""
