"""Readers of files, folders and the hub; each returns a `Contents`.

    arrays/      one array, in memory or on disk        images.py      encoded images, decoded once or on demand
    named/       files of named columns                 folder.py      a folder of images, or one image
    text.py      text cut into pieces                   frame.py       one image file → a tensor
    hub.py       Parquet and the Hugging Face hub       memory.py      arrays, frames and sets that a program holds
    guard.py     sizes are checked before memory is allocated
    address.py   s3://…, https://… → files in a cache on this machine

`data.table` decides what named columns are.
"""
