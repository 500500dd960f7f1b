"""What a run shows of its model as it goes.

held_out.py      scores of the held-out set
"""
