"""Settings are chosen on a development collection: what a collection trains on, cut into training and test once more."""
