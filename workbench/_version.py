"""The version, where it is written: read by the build, and by a checkout that nobody installed."""

__version__ = "0.1.0"
