"""Tests on one deployed lab: a package, so that it ends with them."""
