"""`python -m darkroom`: the `darkroom` command."""

from darkroom.command import main

main()
