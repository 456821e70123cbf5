"""`python -m bench.routing`."""

from bench.routing.command import main

if __name__ == "__main__":
    raise SystemExit(main())
