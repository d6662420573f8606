"""Decisions at the registry: each call once, each outcome known or asked for."""
