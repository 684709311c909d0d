"""How a network is run: as it is, compiled, or as a graph in another runtime. The loop does not know which."""
