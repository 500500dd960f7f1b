"""Laws with a closed form, fitted before training; networks learn what to add to them.

joint.py     the joint normal law of a table's columns
mixture.py   a mixture of normal laws of images and signals
"""
