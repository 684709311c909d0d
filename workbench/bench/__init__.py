"""Timing that can be trusted: everything that is compared runs in turn, in one process, on one machine."""
