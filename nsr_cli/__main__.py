"""`python -m nsr_cli` is the same as `nsr`."""

from nsr_cli.cli.app import main

if __name__ == "__main__":
    main()
