"""Many clips over many devices and machines.

A causal clip cannot be cut, so the unit is one clip on one device. ``runner``: the next longest clip goes to a free
worker; ``processes`` and ``cluster`` are the two kinds of workers, plain processes and Ray actors. ``clips``: what
there is to do. ``upscaling``: what a worker does with a clip. ``storage``: clips and results that lie elsewhere.
"""
