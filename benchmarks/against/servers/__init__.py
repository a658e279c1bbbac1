"""The peers' servers: what each needs on disk, and how its documentation says to start it."""
