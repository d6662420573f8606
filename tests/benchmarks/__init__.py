"""How fast it is, as ratios measured in one run: `.venv/bin/python -m tests.benchmarks`, and
`.venv/bin/python -m tests.benchmarks.inspect` for inspection on real packages.
"""
