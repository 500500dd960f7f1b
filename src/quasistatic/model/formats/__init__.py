"""A model in the forms of other libraries.

diffusers.py names.py    DDPM pipelines, read and written
"""
