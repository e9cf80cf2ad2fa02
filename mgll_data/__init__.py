"""Builds multi-granular image-text datasets from public fundus and chest X-ray collections."""
