"""The proxy: Caddy, its words and its files."""
