"""`python -m webhook` is the `drawbridge` command."""

from webhook.cli import main

main()
