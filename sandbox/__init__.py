"""A Mixpanel stand-in for developing and testing integrations without a Mixpanel account.

It is an outside product to the rest of this repository: it imports none of the Django apps and talks to
them over HTTP only. ``README.md`` beside this file documents every path, option and credential.
"""
