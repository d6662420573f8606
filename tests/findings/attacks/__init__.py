"""Replicas of attacks and accidents, one module each. They are text for the rules to find.

Nothing in here is run: each module only holds the files of three releases as Python strings. What
would be their payload leads nowhere: addresses end in `.invalid`, what is encrypted or encoded is
noise or a harmless sentence, what is called a program is an empty header.
"""
