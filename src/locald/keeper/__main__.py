"""Runs this folder as a program, `python -I -S keeper FOLDER DESCRIPTOR`: see `main`. Nothing of the
environment, and no site-packages, has a part in it."""

import sys

if __name__ == "__main__":
    package = __file__.rsplit("/", 3)[0]
    sys.path[0] = package
    from locald.keeper.main import start

    start(sys.argv)
