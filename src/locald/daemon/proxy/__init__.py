"""Names instead of ports: the proxy as the daemon keeps it, and what it answers there itself."""
