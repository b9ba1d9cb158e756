"""The dashboard's site: the page, and the API behind a door, on a port of this machine alone."""
