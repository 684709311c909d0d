"""The web app: a server that holds uploads and jobs, and child processes that do the work.

The server (``serve``) never decodes an upload and never loads torch. A job is a folder (``store``): what was asked
(``request``), how it stands (``status``), and the files that may be seen. A worker (``worker``) does one job and ends;
``lanes`` gives each device one of them at a time.
"""
