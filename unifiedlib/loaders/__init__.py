"""Loaders: each turns pictures that others have made, in their own layout, into the two tables of the data contract."""
