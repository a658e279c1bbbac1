"""Custody of the decision log: how long decisions are kept, what holds them, who was erased, what was taken out and brought in.

`retention` days by use case or tier · `holds` legal matters that beat both · `erasures` of data subjects, step by step · `access`
exports, revealed fields, backfills · `reading` the log with its outcomes, for the API. Nothing here knows a person's identifier:
the edge turns it into the pseudonym that the log holds, and records keep a salted digest of that.
"""
