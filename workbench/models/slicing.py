"""placeholder"""
def decode_in_strips(vae, latent, memory, tap):
    raise NotImplementedError
def memory_in_strips(vae, warped):
    raise NotImplementedError
