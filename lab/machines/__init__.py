"""Where nodes live: create, start, stop, power off and destroy them."""
