"""What the project needs of Python and of the machine, and nothing of diffusion.

    device.py     the device and its precision            memory.py     the allocator of a process
    files.py      files that are whole or not there       fields.py     checked fields of dataclasses

It imports no other part of the project, and no torch unless a module of it is imported.
"""
