"""The repositories: one file per noun, each method one transaction.

Functions that several repositories share take a `Session` first; classes take a `Scope`.
"""
