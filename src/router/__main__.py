"""``python -m router`` is the command ``router``."""

if __name__ == "__main__":
    # Only here: the sidecar's workers run this file under another name, and have no use for a command line.
    from .cli.main import main

    main()
