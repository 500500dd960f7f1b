"""The page: a local server for a user's own runs, and the static page that it shows.

    launch.py     picks the port and the token, starts the server      app.py        the addresses and what they answer
    runs.py       finds runs under the given folders, reads them       security.py   who may ask: token, host, origin
    jobs.py       the queue, and the process that works through it     uploads.py    files that came from the page
    report.py     a run's report in one file, without a server
    worker/       that process: the verbs of the library               static/       the page: HTML, CSS, modules, words

The server's process does not load torch, so it is ready in a second; `worker` is started beside it and does.
This package may import everything but the command line.
"""
