"""The process that does the work of the page: one job at a time, by the verbs of the library.

    loop.py      reads jobs from stdin, tells their progress on stdout     tasks.py    the tasks by name
    desk.py      models, data, cancelling: what the tasks share            asked.py    reads a request's values
    drawing.py   samples, films, previews                                  shown.py    examples as the page shows them
    completing.py  images, rows, text with unknown parts                   examples.py  what a request is about
    scoring.py   examples from the strangest, and where their bits go      learning.py   lessons without a run

Its results are files in the job's folder: result.json, and those that it names.
"""
