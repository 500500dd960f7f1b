"""A model in the forms of other libraries.

diffusers.py names.py    DDPM pipelines, read and written
onnx.py                  the network for any runtime
hub.py card.py           models on the Hugging Face hub, and their cards
"""
