"""Readers of files, folders and the hub; each returns a `Contents`.

    arrays.py    one array in memory                    images.py      encoded images, decoded once or on demand
    files.py     .npy, .npz, .csv of numbers, IDX       folder.py      a folder of images, or one image
    named/       files of named columns
    on_disk.py   rows of an array that is too large for memory
    text.py      text cut into pieces                   frame.py       one image file → a tensor
    hub.py       Parquet and the Hugging Face hub       memory.py      arrays, frames and sets that a program holds
    guard.py     sizes are checked before memory is allocated

`data.table` decides what named columns are.
"""
