"""What must outlive the daemon, in one file: `state.json`.

`store` writes it, `reading` reads it, `document` says what is in it, `upgrade` knows the files of earlier
versions, and `dataclass_json` turns the domain's objects into JSON and back.
"""
