"""What do I owe to the person who supervises a deployment at 3am?"""

__version__ = "0.1.0"
