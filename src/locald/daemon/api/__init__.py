"""The daemon's HTTP API: JSON over its Unix socket, and server-sent events for changes."""
