"""A replay of the paper's A/B evaluation on the drawn world: simulated users, whose clicks follow stated assumptions.

Nothing here observed a person. It shows what an offline difference would become in an online test if users behaved so.
"""
