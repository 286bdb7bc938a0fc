"""Turn machines into a cluster: pyinfra over SSH, in a child process of its own."""
