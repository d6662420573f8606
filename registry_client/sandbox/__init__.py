"""An embedded npm registry with staged publishing, for the demonstration and the tests.

It keeps its packages in one folder, speaks on the loopback address only, and is a sandbox: nothing
that is published here reaches anybody.
"""
