"""Pretrains vision-language models on multi-granular image-text shards."""
