"""Builds TensorRT engines for this machine's card: `python build_engines.py --help`."""

from engines.build import main

if __name__ == "__main__":
    raise SystemExit(main())
