"""Structured merge: which fields of an object differ, which of them a manager owns, and how two objects become one.

The rules are those of ``sigs.k8s.io/structured-merge-diff``, which server-side apply and managed fields rest on, as far
as the types of this API need them. Objects are plain JSON values here; an `Atom` says how each is looked at.
"""
