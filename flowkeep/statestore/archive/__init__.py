"""Runs in object storage: how bundles are written, checked, read and taken back.

A bundle is a folder of Parquet files and a manifest that is written last. What may be called from
outside is the repository `store.archive`; nothing here knows of tenants' rights or of paging.
"""
