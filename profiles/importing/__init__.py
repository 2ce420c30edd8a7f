"""Audience > Import Users: users from a CSV file. Braze: CSV import.

``uploads`` takes the file in, ``reading`` reads it in chunks, ``mapping`` says what its columns mean, ``converting``
makes values of its cells, ``writing`` writes a chunk of users, ``running`` does all of that from chunk to chunk.
"""
