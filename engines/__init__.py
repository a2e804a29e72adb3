"""Code that runs networks, and the weights that ship with the project."""
