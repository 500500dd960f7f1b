"""Support code for the machine and for Python, independent of diffusion.

    device.py     device and precision selection          memory.py     settings of the memory allocator
    files.py      atomic writing of files                 fields.py     type and range checks of dataclass fields
    doctor.py     a report on machine and installation    digest.py     hashes of text, bytes and tensors
    failure.py    an error as one sentence                progress.py   a run's progress in a terminal or a notebook

This package imports no other part of the project. Importing it does not load torch; some of its modules do.
"""
