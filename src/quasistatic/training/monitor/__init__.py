"""What a run shows of its model as it goes: held-out scores and samples.

held_out.py      scores of the held-out set            samples.py       grids of samples, for images
track.py         TensorBoard, W&B, MLflow
"""
