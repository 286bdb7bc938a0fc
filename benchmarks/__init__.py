"""How long does a lab take, and what does it cost? Run by `./run benchmark`."""
