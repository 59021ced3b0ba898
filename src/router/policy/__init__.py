"""Policies: files -> functions -> a Verdict for a request's signals.

``read.resolve`` reads a policy and what it extends, ``compile.compile_policy`` makes it ready, ``judge.judge`` applies
it; ``lint`` finds what the schema cannot, ``examples`` runs a file's own examples, ``flow`` follows the decision flow
and ``draw`` shows it. The room knows neither models nor prices, and opens no file.
"""
