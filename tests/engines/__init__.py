"""Tests of workbench.engines."""
