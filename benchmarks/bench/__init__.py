"""The bench: every algorithm of ``jmeta list`` in eight task families, from five seeds, on two budgets.

    python -m benchmarks.bench [--budget steps] [--task bandit] [--algorithm rl2]

The comparison is ``src/jmeta/specs/bench.toml``. Under the budget ``steps`` every training has a million environment steps.
Under the budget ``clock`` all five seeds of an algorithm have 45 seconds together. Results are kept in ``benchmarks/bench/data``,
in a directory for each algorithm in each task family. What is there is not computed again. Ctrl-C stops after the current chunk,
and the same command goes on. At its end it writes ``data/summary.json``, from which ``make docs`` makes the pages of the bench.
"""
