"""`python -m hfx` is the `hfx` command."""

from hfx.cli import main

if __name__ == "__main__":
    main()
