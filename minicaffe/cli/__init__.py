"""The command line: one module a verb.

A verb is a module of this package with `add_arguments(parser)` and `run(args)`, which may return an exit code: its name
is the module's (underscores become dashes), its help the module's docstring; `EXAMPLE` and `ALIASES` are optional.
Dropping such a module here is all it takes. A verb imports what it needs inside `run`, so that `minicaffe --help`
answers at once.
"""
