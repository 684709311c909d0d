"""The models that a server gives, one row each: what a request calls it, and what a form does."""

PUBLISHED = "Jamichsu/Stream-DiffVSR"
MODELS = {
    "": "embedded: small, runs anywhere",
    PUBLISHED: PUBLISHED,
}

OWN_MODELS = tuple(name or "embedded" for name in MODELS if name != PUBLISHED)
"""Those of the package, as a comparison calls them."""


def label(model: str) -> str:
    """How a form calls a model; one that is not of ``MODELS`` by its own name."""
    return MODELS.get(model, model)
