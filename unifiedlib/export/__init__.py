"""Exports: one model with its embeddings, as files that other programs read, and a model card written from what was measured."""
